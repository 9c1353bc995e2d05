"""What a recipe may say. Unknown keys are refused; every default says where it is from.

Marks: paper = Jean et al. 2022; released = the authors' published code and configs where the paper
is silent or differs; ours = neither.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

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
    """Which frames are used, how far apart those of a pair are, and how they are cut."""

    fps: Positive = 5.0  # paper: "roughly 5 frames per second"; released code keeps 6
    delta_s: Positive = 0.2  # paper: the next kept frame; one step where frames have no clock
    negative_s: Positive = 0.4
    # triplets: the negative is further off than this. released: more than two kept frames
    crop: Literal["first", "own"] = "first"
    # paper and released: "first", the pixel window of the pair's first frame cuts both frames.
    # ours: "own", each view's own box; half the cache, and needs a box in every frame.
    partners: Count = 2  # ours: partner crops cached per view for distant pairs with crop "first"
    margin: Positive = 1.0  # released: the box of the nine projected vertices, not grown
    heldout: Annotated[float, Field(ge=0.0, le=0.5)] = 0.1  # paper: 90-10 split along sequences


class HeadRecipe(_Strict):
    """One embedding: which frames make its pairs, by which loss, and how the map becomes it."""

    pairing: Literal["nearby", "distant", "same-frame", "triplet"]  # paper
    method: Literal["simsiam", "nt-xent", "tcn"] = "simsiam"  # paper
    temperature: Positive = 0.5  # nt-xent. released: the default; the config's 0.1 is never read
    triplet_margin: Positive = 0.2  # tcn. released: between projections that are not normalised
    skip_stages: Annotated[int, Field(ge=0)] = 0
    # ours: so many of the backbone's last stages are left out: deep maps forget where things are
    pool_grid: Annotated[int, Field(ge=1, le=4)] = 1  # paper: global average; above 1 are ours
    whiten: Count | None = None
    # ours: PCA of the embedding to so many dimensions, fitted on the training crops;
    # paper: None, the pooled output as it is
    whiten_power: Share = 1.0
    # ours: 1 gives every kept direction equal weight, 0 is plain PCA, between them is between
    weight: Positive = 1.0  # ours: share in the loss where two heads are trained together
    hue: Annotated[float, Field(ge=0.0, le=0.5)] | None = None
    gray: Share | None = None
    # ours: None takes [augment]'s; colour tells things apart, so identity may trust it more

    @model_validator(mode="after")
    def _triplets_are_tcn(self) -> Self:
        if (self.pairing == "triplet") != (self.method == "tcn"):
            raise ValueError(
                f"pairing = {self.pairing!r} does not go with method = {self.method!r}: "
                "'triplet' and 'tcn' need each other"
            )
        return self


class NetworkRecipe(_Strict):
    """Backbone and what of it the heads share; the layers that training alone uses."""

    backbone: str = "resnet50"  # paper
    init: Literal["random", "imagenet"] = "random"  # paper
    own_stages: Annotated[int, Field(ge=0)] = 0
    # ours: so many of the backbone's last stages are each head's own; 0 shares all of it
    frozen_stages: Annotated[int, Field(ge=0)] = 0
    # ours: so many of the backbone's first stages stay as they were begun; paper: none
    size: Annotated[int, Field(ge=32, le=1024)] = 224  # released: pixels of the square crop
    projector_dim: Count = 2048  # released
    predictor_dim: Count = 512  # released


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
    backbone_lr: Share = 1.0  # ours: the backbone's rate as a share of lr, which the rest keeps
    momentum: Share = 0.9  # released
    weight_decay: Annotated[float, Field(ge=0.0)] = 5e-4  # released
    decay_bn_and_bias: bool = True  # released: the exclusion is computed, then overwritten
    epochs: Annotated[int, Field(ge=0)] = 25
    # paper: 10 of warm-up and 15 of cosine. 0 trains nothing: the frozen baselines
    pairs_per_epoch: Count | None = None
    # ours: at most so many pairs an epoch, others in each; None takes all
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
    pose: HeadRecipe | None = None
    identity: HeadRecipe | None = None
    data: DataRecipe = DataRecipe()
    network: NetworkRecipe = NetworkRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    optimise: OptimiseRecipe = OptimiseRecipe()
    run: RunRecipe = RunRecipe()

    @property
    def heads(self) -> dict[str, HeadRecipe]:
        """The heads this training gives, by name."""
        both = {"pose": self.pose, "identity": self.identity}
        return {name: head for name, head in both.items() if head is not None}

    @property
    def method(self) -> str:
        """The losses in use, or ``frozen`` where nothing is trained."""
        if not self.optimise.epochs:
            return "frozen"
        return "+".join(sorted({head.method for head in self.heads.values()}))

    @model_validator(mode="after")
    def _has_a_head(self) -> Self:
        if not self.heads:
            raise ValueError("it has neither a [pose] nor an [identity] section")
        if self.network.own_stages and len(self.heads) < 2:
            raise ValueError(
                f"network.own_stages = {self.network.own_stages} needs two heads to tell apart"
            )
        return self

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        span = self.optimise.schedule_epochs or self.optimise.epochs
        if self.optimise.epochs and (
            self.optimise.warmup_epochs > span or self.optimise.epochs > span
        ):
            raise ValueError(
                f"warmup_epochs = {self.optimise.warmup_epochs} and epochs = "
                f"{self.optimise.epochs} must fit into the schedule of {span} epochs"
            )
        return self


def field_paths() -> dict[str, list[str]]:
    """Every key a recipe may have, by section; top-level keys under the empty name."""
    paths: dict[str, list[str]] = {"": []}
    for name, field in Recipe.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        section = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if section is not None:
            paths[name] = list(section.model_fields)
        else:
            paths[""].append(name)
    return paths
