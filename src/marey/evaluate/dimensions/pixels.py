"""How near the pixels are to the true ones."""

from typing import ClassVar

from marey.evaluate.frames import PSNR_CAP, mse, psnr, psnr_of, ssim, ssim_rgb, ssim_uniform
from marey.evaluate.measure import MeanMeasure, Metric
from marey.evaluate.views import Step


class Psnr(MeanMeasure):
    about: ClassVar = Metric(
        "psnr",
        "psnr/rgb-frame-cap100",
        "PSNR",
        "dB",
        "higher",
        "Pixel by pixel closeness to the true continuation.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return psnr(step.shown.rgb, step.true.rgb, PSNR_CAP) if step.true else None


class PsnrOfVideo(MeanMeasure):
    """The PSNR of the mean error: one bad frame weighs on it."""

    about: ClassVar = Metric(
        "psnr_video",
        "psnr/rgb-video-cap100",
        "PSNR of the mean error",
        "dB",
        "higher",
        "PSNR of the error over the whole video, which a single bad frame spoils.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return mse(step.shown.rgb, step.true.rgb) if step.true else None

    def value(self) -> float | None:
        error = super().value()
        return None if error is None else psnr_of(error)


class Ssim(MeanMeasure):
    about: ClassVar = Metric(
        "ssim",
        "ssim/wang-luma-11-valid",
        "SSIM",
        "",
        "higher",
        "Likeness of local structure; 1 is the same picture.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return _same(step) or (ssim(step.shown.rgb, step.true.rgb) if step.true else None)


class SsimValid(MeanMeasure):
    about: ClassVar = Metric(
        "ssim_tf",
        "ssim/rgb-11-valid",
        "SSIM (as in TensorFlow)",
        "",
        "higher",
        "SSIM of each colour channel, as TensorFlow and most FVD code have it.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return _same(step) or (ssim_rgb(step.shown.rgb, step.true.rgb) if step.true else None)


class SsimReflect(MeanMeasure):
    about: ClassVar = Metric(
        "ssim_torchmetrics",
        "ssim/rgb-11-reflect",
        "SSIM (as in torchmetrics)",
        "",
        "higher",
        "SSIM of each colour channel with mirrored borders, as torchmetrics has it.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return _same(step) or (ssim_rgb(step.shown.rgb, step.true.rgb, "reflect") if step.true else None)


class SsimZero(MeanMeasure):
    about: ClassVar = Metric(
        "ssim_zero",
        "ssim/rgb-11-zero",
        "SSIM (zeros around)",
        "",
        "higher",
        "SSIM of each colour channel with zeros around it, as many PyTorch scripts have it.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return _same(step) or (ssim_rgb(step.shown.rgb, step.true.rgb, "zero") if step.true else None)


class SsimSkimage(MeanMeasure):
    about: ClassVar = Metric(
        "ssim_skimage",
        "ssim/skimage-rgb-7",
        "SSIM (as in scikit-image)",
        "",
        "higher",
        "SSIM with a flat window of 7x7, as scikit-image has it by default.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        return _same(step) or (ssim_uniform(step.shown.rgb, step.true.rgb) if step.true else None)


class Perceptual(MeanMeasure):
    about: ClassVar = Metric(
        "perceptual",
        "perceptual/efficientnet-lite0-stages",
        "Perceptual distance",
        "",
        "lower",
        "Distance in a small network's features. A stand-in: it is not LPIPS.",
        needs=("truth", "lite"),
    )

    def of(self, step: Step) -> float | None:
        return self.subject.models.perceptual("lite", step.shown, step.true) if step.true else None


class Lpips(MeanMeasure):
    about: ClassVar = Metric(
        "lpips",
        "lpips/v0.1-alex",
        "LPIPS",
        "",
        "lower",
        "Learned perceptual distance (Zhang et al. 2018), on AlexNet.",
        needs=("truth", "lpips"),
    )

    def of(self, step: Step) -> float | None:
        return self.subject.models.perceptual("lpips", step.shown, step.true) if step.true else None


def _same(step: Step) -> float | None:
    return 1.0 if step.shown is step.true else None
