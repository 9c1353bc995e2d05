"""What a recipe may say. Unknown keys are refused; every default says where it is from.

Marks: paper = Jean et al. 2022; released = the authors' published code and configs where the paper
is silent or differs; ours = neither.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(gt=0)]
Range = tuple[Positive, Positive]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name} = [{value[0]}, {value[1]}] must be [low, high]")
        return self


class DataRecipe(_Strict):
    """Which frames are used and which two make a pair."""

    pairing: Literal["nearby", "distant", "same-frame"] = "nearby"  # paper
    fps: Positive = 5.0  # paper: "roughly 5 frames per second"; released code keeps 6
    delta_s: Positive = 0.2  # paper: the next kept frame; one step where frames have no clock
    crop: Literal["first", "own"] = "first"
    # paper and released: "first", the pixel window of the pair's first frame cuts both frames.
    # ours: "own", each view's own box; half the cache, and needs a box in every frame.
    partners: Count = 2  # ours: partner crops cached per view for distant pairs with crop "first"
    margin: Positive = 1.0  # released: the box of the nine projected vertices, not grown
    heldout: Annotated[float, Field(ge=0.0, le=0.5)] = 0.1  # paper: 90-10 split along sequences


class NetworkRecipe(_Strict):
    """Backbone, embedding and the two heads that training alone uses."""

    backbone: str = "resnet50"  # paper
    init: Literal["random", "imagenet"] = "random"  # paper
    size: Annotated[int, Field(ge=32, le=1024)] = 224  # released: pixels of the square crop
    pool_grid: Annotated[int, Field(ge=1, le=3)] = 1  # paper: global average; 2 or 3 are ours
    whiten: Count | None = None
    # ours: PCA whitening of the embedding to so many dimensions, fitted on the training crops;
    # paper: None, the pooled output as it is
    projector_dim: Count = 2048  # released
    predictor_dim: Count = 512  # released
    head: Literal["pose", "identity"] | None = None
    # ours: None names the head by the pairing: distant gives identity, the others pose


class AugmentRecipe(_Strict):
    """Augmentation after the crop; drawn per view, flips per pair (paper)."""

    crop_scale: Range = (0.2, 1.0)  # released: share of the crop's area
    crop_ratio: Range = (0.75, 4 / 3)  # released; the paper says "distortion-free"
    jitter: Share = 0.8  # released: how often colours are jittered
    brightness: Share = 0.2  # released
    contrast: Share = 0.2  # released
    saturation: Share = 0.2  # released
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05  # released
    gray: Share = 0.2  # released
    blur: Share = 0.5  # paper; the released configs never blur: set 0 for them
    blur_sigma: Range = (0.1, 2.0)  # paper, by way of SimCLR: pixels at size 224, less for smaller
    flip: Share = 0.5  # paper: one draw for both views


class OptimiseRecipe(_Strict):
    """SGD, its schedule and its length."""

    batch_size: Annotated[int, Field(ge=2)] = 64  # released: pairs per step, over all processes
    lr: Positive = 0.0075  # released: 0.03 · 64 / 256
    momentum: Share = 0.9  # released
    weight_decay: Annotated[float, Field(ge=0.0)] = 5e-4  # released
    decay_bn_and_bias: bool = True  # released: the exclusion is computed, then overwritten
    epochs: Count = 25  # paper: 10 of warm-up and 15 of cosine
    warmup_epochs: Annotated[int, Field(ge=0)] = 10  # paper
    schedule_epochs: Count | None = None
    # paper: None, the cosine ends with the training. The released code stretches it to 100 epochs
    # and stops after 25, at 93 % of the peak: set 100 for that.
    predictor_constant_lr: bool = True  # released, and SimSiam: no warm-up, no decay for h


class RunRecipe(_Strict):
    """How the run is carried out."""

    seed: Annotated[int, Field(ge=0)] = 0  # ours; the released code leaves it random
    precision: Literal["auto", "32", "16-mixed", "bf16-mixed"] = "auto"
    # ours: auto is bf16-mixed on CUDA that has it, else 16-mixed on CUDA (paper), else 32
    devices: Annotated[int, Field(ge=0)] = 0  # ours: processes; 0 is every GPU, or one on CPU
    threads: Annotated[int, Field(ge=0)] = 0  # ours: CPU threads a process; 0 leaves it to torch
    stop_on_collapse: bool = False  # ours: end the run after one collapsed epoch
    monitored_views: Annotated[int, Field(ge=2)] = 2048
    # ours: views in the online nearest-neighbour score, half of them held out


class Recipe(_Strict):
    """One complete training: a table row of the paper, or one of ours."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    about: str = ""
    method: Literal["simsiam"] = "simsiam"
    data: DataRecipe = DataRecipe()
    network: NetworkRecipe = NetworkRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    optimise: OptimiseRecipe = OptimiseRecipe()
    run: RunRecipe = RunRecipe()

    @property
    def head(self) -> str:
        """The name of the head this training gives."""
        return self.network.head or ("identity" if self.data.pairing == "distant" else "pose")

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        span = self.optimise.schedule_epochs or self.optimise.epochs
        if self.optimise.warmup_epochs > span or self.optimise.epochs > span:
            raise ValueError(
                f"warmup_epochs = {self.optimise.warmup_epochs} and epochs = "
                f"{self.optimise.epochs} must fit into the schedule of {span} epochs"
            )
        return self


def field_paths() -> dict[str, list[str]]:
    """Every key a recipe may have, by section; top-level keys under the empty name."""
    paths: dict[str, list[str]] = {"": []}
    for name, field in Recipe.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            paths[name] = list(kind.model_fields)
        else:
            paths[""].append(name)
    return paths
