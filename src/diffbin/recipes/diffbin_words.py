"""The embedded model: a half-width ResNet-18 with a thin neck, for words in photographs.

Trained on rendered text (`diffbin synth`) and on the ICDAR2015 training pictures 1 to 900; pictures 901 to 1000 are the
validation set. The score, the hours and the hardware stand in the model card, `diffbin models`; the second run, with
larger crops and a falling rate, and the choice of the thresholds below stand in `docs/training-log.md`.

    diffbin synth --count 10000 --out data/synth --backgrounds data/backgrounds
    diffbin train diffbin_words --set data.root=data --out runs/words1
"""

from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Train

RECIPE = Recipe(
    name="diffbin_words",
    model=Model(backbone="resnet18_half", lateral_channels=64, smooth_channels=16),
    preprocess=Preprocess(long_px=1824, short_px=1024),
    decode=Decode(shape="quad", mask_threshold=0.55, score_threshold=0.75, unclip_ratio=2.1, min_width_px=3.0),
    augment=Augment(
        crop_px=320,
        crop="scale",
        scale_min=0.6,
        scale_max=2.0,
        brightness_delta=0.35,
        contrast_delta=0.3,
        blur_p=0.1,
        noise_p=0.1,
        flip_p=0.0,
    ),
    data=Data(
        train=(
            Source(format="icdar", images="icdar2015_train/images", labels="icdar2015_train/gt", part="0:900"),
            Source(format="icdar", images="synth/images", labels="synth/gt"),
        ),
        validation=(Source(format="icdar", images="icdar2015_train/images", labels="icdar2015_train/gt", part="900:"),),
        batch_size=8,
        workers=1,
    ),
    optim=Optim(
        name="adamw", lr=2e-3, weight_decay=0.01, schedule="cosine", warmup_ratio=0.02, per="step", clip_norm=5.0
    ),
    train=Train(steps=40000, epoch_samples=8000, save_every_steps=500, precision="bf16", ema_decay=0.999),
)
