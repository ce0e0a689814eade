"""The twenty-item contract against both runners: raise, kill, hang; and what each runner promises beside it."""

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # spawned workers get this path too

import contract_stages as stages

from marey.engine import local, run, stage_key, workers
from marey.errors import EndsRun, MareyError, MissingExtra

HANG_SECONDS = 3.0
ITEMS = [{"id": f"clip-{n}", "n": n} for n in range(20)]
SRC = str(Path(__file__).parents[2] / "src")


def by_id(results):
    return {result.id: result for result in results}


def others(results, *bad):
    return {name: result.out["square"] for name, result in results.items() if name not in bad}


def squares(*bad):
    return {f"clip-{n}": n * n for n in range(20) if f"clip-{n}" not in bad}


@pytest.mark.parametrize("runner", ["local", "workers"])
def test_an_item_that_raises_costs_that_item_alone(runner):
    results = by_id(run(stages.Contract(), ITEMS, workers=0 if runner == "local" else 2))
    assert len(results) == 20
    assert (results["clip-13"].status, results["clip-13"].error) == ("failed", "ValueError: corrupt clip 13")
    assert results["clip-13"].out == {}
    assert others(results, "clip-13") == squares("clip-13")
    assert {result.status for name, result in results.items() if name != "clip-13"} == {"ok"}


def test_in_workers_an_item_that_kills_its_process_or_hangs_costs_that_item_alone():
    results = by_id(workers(stages.Contract(kill=True, hang=True), ITEMS, 2, HANG_SECONDS))
    assert len(results) == 20
    bad = ("clip-13", "clip-17", "clip-19")
    assert others(results, *bad) == squares(*bad)
    assert {results[name].status for name in bad} == {"failed"}
    assert results["clip-19"].error == "Its process gave no answer within 3 s."
    assert results["clip-19"].seconds >= HANG_SECONDS
    if sys.platform != "win32":
        assert results["clip-17"].error == "Its process was killed by SIGKILL."


def test_in_this_process_an_item_that_kills_its_process_takes_the_run_with_it():
    """Stated, not wished for: it is why footage is read by workers."""
    script = (
        "import contract_stages as s; from marey.engine import local\n"
        "for r in local(s.Contract(kill=True), ({'id': str(n), 'n': n} for n in range(20))): print(r.id, flush=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.split() == [str(n) for n in range(17)]
    assert ended.returncode != 0


@pytest.mark.parametrize("count", [0, 1])
def test_what_an_item_comes_to(count):
    (rejected,) = run(stages.Rejects(), ITEMS[:1], workers=count)
    assert (rejected.status, rejected.error) == ("rejected", "there is no video in it")
    (wrong,) = run(stages.Returns("none"), ITEMS[:1], workers=count)
    assert wrong.status == "failed"
    assert "NoneType" in wrong.error
    (left,) = run(stages.Exits(), ITEMS[:1], workers=count)
    assert left.status == "failed"
    assert "thinks it is a program" in left.error


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_not_the_items_fault_ends_the_run(count):
    told: list[str] = []
    with pytest.raises(EndsRun, match="the disk is full"):
        told.extend(result.status for result in run(stages.Ends(), ITEMS, workers=count))
    assert len(told) < 5
    assert set(told) <= {"ok"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_may_succeed_another_time_and_what_may_not():
    results = by_id(workers(stages.Fails(), ITEMS[:5], 2, HANG_SECONDS))
    assert {name: (result.error, result.again) for name, result in results.items()} == {
        "clip-0": ("it needs more memory than there is", True),
        "clip-1": ("a header is broken", False),
        "clip-2": ("Its process was killed by SIGSEGV.", False),
        "clip-3": ("Its process was killed by SIGKILL.", True),
        "clip-4": ("Its process gave no answer within 3 s.", False),
    }


def test_local_keeps_the_order_and_workers_are_other_processes():
    assert [result.id for result in local(stages.Contract(), ITEMS)] == [item["id"] for item in ITEMS]
    pids = {result.out["pid"] for result in workers(stages.Plain(), ITEMS, 2)}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2  # none is replaced needlessly


@pytest.mark.parametrize("count", [0, 2])
def test_nothing_to_do_sets_nothing_up(count):
    assert list(run(stages.WantsExtra(), [], workers=count)) == []


@pytest.mark.parametrize("count", [0, 2])
def test_a_set_up_that_says_what_is_missing_ends_the_run_with_that_sentence(count):
    with pytest.raises(MissingExtra, match=r'pip install "marey\[ocr\]"'):
        list(run(stages.WantsExtra(), ITEMS, workers=count))
    with pytest.raises(MareyError, match="plain@2 could not be set up: RuntimeError: weights are damaged"):
        list(run(stages.SetupRaises(), ITEMS, workers=count))


def test_workers_that_die_in_the_set_up_are_tried_twice_and_no_more(tmp_path):
    with pytest.raises(MareyError, match=r"No worker process of the stage plain@2 can be started: .*status 3"):
        list(workers(stages.SetupDies(str(tmp_path)), ITEMS, 1))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_set_up_that_hangs_is_given_up():
    with pytest.raises(MareyError, match="was not set up within 1 s"):
        list(workers(stages.SetupHangs(), ITEMS, 1, setup_seconds=1.0))


def test_workers_that_cannot_be_replaced_end_the_run_and_do_not_stall_it(tmp_path):
    results = workers(stages.DiesThenCannotStart(str(tmp_path)), ITEMS, 1)
    assert next(results).status == "failed"
    with pytest.raises(MareyError, match="can be started"):
        next(results)


def test_results_that_do_not_travel_cost_their_item_alone():
    results = list(workers(stages.Returns("function"), ITEMS[:3], 1))
    assert [result.status for result in results] == ["failed"] * 3
    assert "cannot be pickled" in results[0].error


def test_items_are_drawn_as_they_are_wanted():
    drawn = 0

    def endless():
        nonlocal drawn
        for n in itertools.count():
            drawn += 1
            yield {"id": str(n), "n": n}

    results = workers(stages.Plain(), endless(), 2)
    for done, _ in enumerate(itertools.islice(results, 30), 1):
        assert drawn <= done + 2
    results.close()
    assert drawn < 40


def test_leaving_early_ends_the_workers():
    results = workers(stages.Contract(hang=True), [ITEMS[0], ITEMS[19], ITEMS[1]], 2)
    next(results)
    assert any(child.name == "marey-contract" for child in multiprocessing.active_children())
    results.close()
    assert not any(child.name == "marey-contract" for child in multiprocessing.active_children())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_idle_worker_that_is_killed_costs_no_item():
    results = workers(stages.Plain(), ITEMS[:4], 1)
    first = next(results)
    os.kill(first.out["pid"], signal.SIGKILL)
    wait_until(lambda: not [c for c in multiprocessing.active_children() if c.pid == first.out["pid"]])
    rest = list(results)
    assert [result.status for result in rest] == ["ok"] * 3
    assert first.out["pid"] not in {result.out["pid"] for result in rest}


def test_a_slow_reader_of_results_does_not_cost_the_workers_their_time():
    """A result that came in time is taken although its deadline has passed while the caller was busy."""
    results = workers(stages.Plain(), ITEMS[:6], 2, 1.0)
    statuses = []
    for result in results:
        statuses.append(result.status)
        if len(statuses) == 1:
            time.sleep(1.5)
    assert statuses == ["ok"] * 6


def test_what_workers_print_does_not_reach_the_standard_output(capfd):
    list(workers(stages.Prints(), ITEMS[:1], 1))
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "noise" in printed.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path, end):
    script = (
        "import contract_stages as s, signal; from marey.engine import workers\n"
        "if __name__ == '__main__':\n"
        # What starts the tests in the background may have Ctrl-C ignored, which is inherited.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"    list(workers(s.Marks({str(tmp_path)!r}), [{{'id': str(n)}} for n in range(9)], 2))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    if end == signal.SIGINT:
        os.killpg(parent.pid, end)  # as a terminal does: all of them get it
    else:
        os.kill(parent.pid, end)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == -end
    assert said.count("Traceback") == (1 if end == signal.SIGINT else 0)  # the parent's own KeyboardInterrupt
    wait_until(lambda: not any(alive(int(mark.name)) for mark in tmp_path.iterdir()))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_while_workers_start_makes_no_noise_of_theirs(tmp_path):
    script = (
        "import contract_stages as s, os, signal; from marey.engine import workers\n"
        "from marey.engine.workers import _Worker\n"
        "if __name__ == '__main__':\n"
        "    worker = _Worker(s.Plain(), 60)\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "    os.killpg(0, signal.SIGINT)\n"  # the child is still in Python's own start
        "    print(worker.pipe.recv())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert (ended.stdout.strip(), ended.stderr) == ("ready", "")


def test_progress_is_told_of_every_item():
    calls = []
    list(run(stages.Contract(), ITEMS, progress=lambda *call: calls.append(call), what="reading footage"))
    assert calls[0] == ("reading footage", 0, 20)
    assert [call[1] for call in calls] == list(range(21))
    assert calls[-1] == ("reading footage", 20, 20, "1 not ok")
    calls.clear()
    list(run(stages.Plain(), iter(ITEMS[:2]), progress=lambda *call: calls.append(call)))
    assert calls[-1] == ("plain", 2, 2)  # it ends although the total was not known


def test_stage_key():
    assert stage_key(stages.Contract()) == "contract@1"


def test_a_count_of_none_is_refused():
    with pytest.raises(ValueError, match="count is 0"):
        list(workers(stages.Plain(), ITEMS, 0))


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([SRC, str(Path(__file__).parent)])}


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    """A process that is gone, or only waits for its parent to notice, is not alive."""
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            return status.read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
