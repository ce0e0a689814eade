"""Memory: what is counted without contents is what real tensors take, and a plan fits what it was made for."""

import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from marey.errors import MareyError
from marey.generate.counting import FusedAttention, LiveBytes, count_bytes
from marey.generate.memory import MemoryPlan, count_stages, plan_memory, usable
from marey.generate.offload import Saving, chunk_feed_forward, visiting
from marey.generate.shapes import SVD, Shapes, networks_of, unet_bytes, window_bytes
from marey.network.autoencoder import Autoencoder, AutoencoderConfig
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.unet import SpatioTemporalUNet

SMALL = Shapes(
    UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, frames=4),
    AutoencoderConfig(channels=(32, 32, 32)),
    tuple(sorted((k, v) for k, v in ImageEmbedder.build(24, hidden=32).to_json().items() if isinstance(v, int | str))),
)


def test_live_bytes_are_those_of_tensors_that_live():
    given = torch.zeros(1000)
    with LiveBytes([given]) as live:
        a = torch.ones(1000)  # 4,000 bytes
        b = a + 1
        view = b[10:]
        a.add_(given)
        del a
        assert live.now == 4000  # the view holds b's
        c = torch.cat([view, b])
        del view, b
        assert live.now == 4 * len(c)
    assert live.peak == 4000 + 4 * 1990


def allocated(work) -> int:
    """The peak of torch's own allocator on the CPU, from its profiler."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    now = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


@pytest.fixture(scope="module")
def drawn():
    torch.manual_seed(0)
    networks = SpatioTemporalUNet(SMALL.unet), Autoencoder(SMALL.autoencoder)
    return [network.eval().requires_grad_(False) for network in networks]


def unet_call(unet, batch=2):
    sample = torch.zeros(batch, 4, 8, 40, 48)
    return unet(sample, torch.zeros(batch), torch.zeros(batch, 1, 24), torch.zeros(batch, 3))


def test_counted_bytes_are_those_that_the_cpu_takes(drawn):
    unet, autoencoder = drawn
    works = {
        "unet": (lambda: unet_call(unet), unet, unet_bytes(SMALL, 2, (4, 40, 48), torch.float32, None)),
        "decoder": (
            lambda: autoencoder.decode(torch.zeros(1, 6, 4, 24, 20)),
            autoencoder,
            window_bytes(SMALL, (6, 24, 20), torch.float32),
        ),
    }
    for name, (work, module, counted) in works.items():
        live = count_bytes(work, module.parameters())
        assert counted == pytest.approx(live, rel=0.2), name  # other kernels on other devices
        assert live == pytest.approx(allocated(work), rel=0.25), name  # what a kernel takes for itself is not seen


def test_counts_follow_the_shape_and_the_precision():
    def unet(batch=1, frames=4, height=40, dtype=torch.float32):
        return unet_bytes(SMALL, batch, (frames, height, 48), dtype, None)

    assert unet(2) == pytest.approx(2 * unet(), rel=0.05)
    assert unet(frames=8) == pytest.approx(2 * unet(), rel=0.05)
    assert unet(height=80) == pytest.approx(2 * unet(), rel=0.05)
    assert unet(dtype=torch.bfloat16) == pytest.approx(unet() / 2, rel=0.05)
    assert unet_bytes(SMALL, 1, (4, 40, 48), torch.float32, 256) <= unet()


def test_a_step_cache_has_its_place():
    plain, cached = (
        count_stages(SMALL, Saving(), 4, 160, 192, dtype=torch.bfloat16, cached=cached)[2] for cached in (False, True)
    )
    assert cached.activations - plain.activations == 3 * 2 * 4 * 32 * 40 * 48


def test_attention_counts_as_the_fused_kernels_do():
    q = torch.empty(1, 2, 4096, 16, device="meta")
    with FusedAttention():
        fused = count_bytes(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q), [q])
    assert fused == q.nbytes


def test_feed_forward_in_pieces_is_the_same(drawn):
    unet, _ = drawn
    torch.manual_seed(1)
    given = torch.randn(1, 3, 8, 8, 8), torch.zeros(1), torch.randn(1, 1, 24), torch.ones(1, 3)
    with torch.no_grad():
        whole = unet(*given)
        chunk_feed_forward(unet, 50)
        pieces = unet(*given)
        chunk_feed_forward(unet, None)
    torch.testing.assert_close(pieces, whole)


def test_a_visitor_goes_home_with_its_weights():
    module = torch.nn.Linear(3, 4)
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    home = module.weight.data_ptr()
    with visiting(module, torch.device("meta")):
        assert module.weight.is_meta
    assert module.weight.data_ptr() == home
    with pytest.raises(RuntimeError), visiting(module, torch.device("meta")):
        raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())
    with visiting(module, torch.device("cpu")):  # it lives there
        assert module.weight.data_ptr() == home


def card_of(room: float) -> float:
    """The GiB of a card of which so many bytes can be used."""
    return (room - usable(0)) / (usable(1) - usable(0))


def test_the_full_network_has_the_bytes_of_its_parameters():
    networks = networks_of(SVD, torch.float16)
    assert networks.weights(networks.unet, Saving(offload=True)) == 2 * 1_524_623_082
    assert networks.weights(networks.autoencoder, Saving(offload=True)) == 4 * 97_742_847


def small(vram: float, **how) -> MemoryPlan:
    return plan_memory(SMALL, 8, 512, 512, vram, dtype=torch.float32, **how)


def test_less_room_asks_for_more_and_always_fits():
    decoder = small(40).stages[-1].peak
    plans = [small(card_of(share * decoder)) for share in (20, 1.01, 0.9, 0.7, 0.5, 0.4)]
    assert plans[0].saving == Saving()
    assert len({plan.saving for plan in plans}) > 3
    for plan in plans:
        assert plan.peak <= usable(plan.vram)
        again = count_stages(SMALL, plan.saving, 8, 512, 512, dtype=torch.float32)
        assert again == plan.stages
    chunks = [plan.saving.chunk or math.inf for plan in plans if not plan.saving.tile]
    assert chunks == sorted(chunks, reverse=True)
    assert plans[-1].saving.sequential
    peaks = [plan.peak for plan in plans]
    assert peaks == sorted(peaks, reverse=True)


def test_what_is_exact_comes_first():
    whole = small(40)
    decoder = whole.stages[-1].peak
    unet = whole.stages[2].peak
    assert decoder > unet  # so the decoder is what does not fit first
    assert small(card_of(1.001 * decoder)).saving.chunk is None
    assert small(card_of(0.95 * decoder)).saving.chunk is not None


def test_a_card_that_is_too_small_is_named():
    with pytest.raises(MareyError, match=r"0\.7 GiB do not hold 8 frames of 512x512: the least is \d\.\d, for"):
        small(0.7)
    with pytest.raises(MareyError, match="vram is 0: the GiB of the card"):
        small(0)


def test_a_plan_is_read_by_people_and_programs():
    plan = small(card_of(0.8 * small(40).stages[-1].peak))
    text = str(plan)
    assert "8 frames of 512x512 in float32, 0." in text
    assert "the decoder" in text
    assert "blended" in text
    table = plan.to_json()
    assert table["saving"]["chunk"] == plan.saving.chunk
    assert [stage["name"] for stage in table["stages"]][-1] == "the decoder"
    assert table["peak"] == plan.peak


@pytest.mark.slow
def test_svd_xt_fits_cards_of_8_to_24():
    plans = [plan_memory(SVD, 25, 576, 1024, vram, dtype=torch.float16) for vram in (8, 12, 16, 24)]
    assert [plan.saving.offload for plan in plans] == [True] * 4
    assert plans[0].saving.sequential
    assert all(plan.peak <= usable(plan.vram) for plan in plans)
    chunks = [plan.saving.chunk for plan in plans if not plan.saving.tile]
    assert chunks == sorted(chunks)
    with pytest.raises(MareyError, match="4 GiB do not hold"):
        plan_memory(SVD, 25, 576, 1024, 4, dtype=torch.float16)
