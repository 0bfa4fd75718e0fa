r"""The embedded model for lines of text, turned ones and columns too: words-10's network, trained further.

The recipe `diffbin_words` tells what words-10 is, and narrows it. This one is trained on MSRA-TD500's training pictures
without every tenth, on the same written on, on the ICDAR2015 training pictures 1 to 900 with labels of lines, on
rendered lines, and at last on pages of print; what ships is a mean of weights. The tenths are the validation set. The
score, the hours and the hardware stand in the model card, `diffbin models`. The weights that ship came here by way of
shorter runs over lines, not straight from words-10: these, and what else was tried, in `docs/training-log.md`.

    python examples/line_labels.py data/icdar2015_train/images data/icdar2015_train/gt data/icdar_lines 0:900
    diffbin synth --count 4000 --seed 60000 --unit line --out data/lines --backgrounds data/backgrounds \
        --set scripts.latin=0.55 --set scripts.cjk=0.4 --set words_max=24 --set height_min_px=10 \
        --set height_max_px=150
    diffbin synth --count 2400 --seed 90000 --unit line --out data/signs --backgrounds data/backgrounds \
        --set scripts.latin=0.25 --set scripts.cjk=0.75 --set spaced_ratio=0.45 --set spaced_max_ratio=1.2 \
        --set vertical_ratio=0.35 --set words_min=2 --set words_max=10 --set height_min_px=20 --set height_max_px=220
    diffbin synth --count 1800 --seed 740000 --unit line --out data/written_lines \
        --images data/msra_td500_train/images --gt data/msra_td500_train/gt --part '!9::10' \
        --set scripts.latin=0.4 --set scripts.cjk=0.6 --set spaced_ratio=0.35 --set spaced_max_ratio=1.2 \
        --set vertical_ratio=0.35 --set words_min=2 --set words_max=14 --set height_min_px=16 --set height_max_px=200
    diffbin synth --count 2000 --seed 3100000 --unit line --out data/page_lines --backgrounds data/backgrounds \
        --set scripts.latin=0.6 --set scripts.cjk=0.3 --set page_ratio=1 --set size_px=960,960 --set height_min_px=9 \
        --set height_max_px=34 --set sideways_ratio=0.3

    diffbin train diffbin_lines --weights runs/words-10/checkpoints/step_00005200.pt --set data.root=data \
        --set train.steps=1500 --set augment.crop_px=640 --set augment.crop_px_min=576 --set optim.lr=0.001 \
        --set train.ema_decay=0.998 --set data.train.4.weight=0 --set data.train.5.weight=0 --out runs/lines-9
    diffbin train diffbin_lines --weights runs/lines-9/checkpoints/step_00001500.pt --set data.root=data \
        --set train.steps=1300 --set train.ema_decay=0.998 --set optim.lr=0.0008 --out runs/lines-12
    python examples/average_weights.py runs/lines-9/checkpoints/step_00001500.pt \
        runs/lines-12/checkpoints/step_00001300.pt 0.5 mean.safetensors
    diffbin train diffbin_lines --weights mean.safetensors --set data.root=data --out runs/lines-13
    python examples/average_weights.py mean.safetensors \
        runs/lines-13/checkpoints/step_00002200.pt 0.35 lines.safetensors

Of the pages that lines-12 saw, 1,600, none lay on their side.
"""

from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Targets, Train

RECIPE = Recipe(
    name="diffbin_lines",
    model=Model(backbone="efficientnet_lite0_fused", lateral_channels=64, smooth_channels=16, map_stride=2),
    preprocess=Preprocess(
        long_px=1248, short_px=704, max_ratio=2.5, mean_rgb=(127.0, 127.0, 127.0), std_rgb=(128.0, 128.0, 128.0)
    ),
    decode=Decode(
        shape="quad",
        mask_threshold=0.45,
        score_threshold=0.68,
        unclip_ratio=1.2,
        rim_px=0.5,
        min_width_px=1.5,
        upright_px=12.0,
        epsilon_ratio=0.002,
    ),
    targets=Targets(shrink_ratio=0.6),
    augment=Augment(
        crop_px=608,
        crop_px_min=512,
        crop="scale",
        scale_min=0.45,
        scale_max=1.0,
        rotate_deg=30.0,
        brightness_delta=0.35,
        contrast_delta=0.3,
        blur_p=0.1,
        noise_p=0.1,
        flip_p=0.0,
    ),
    data=Data(
        train=(
            Source(
                format="icdar",
                images="msra_td500_train/images",
                labels="msra_td500_train/gt",
                part="!9::10",
                unit="line",
                weight=2.0,
            ),
            Source(format="icdar", images="icdar_lines/images", labels="icdar_lines/gt", unit="line", weight=0.7),
            Source(format="icdar", images="lines/images", labels="lines/gt", unit="line", weight=0.4),
            Source(format="icdar", images="signs/images", labels="signs/gt", unit="line", weight=0.7),
            Source(format="icdar", images="written_lines/images", labels="written_lines/gt", unit="line", weight=0.8),
            Source(format="icdar", images="page_lines/images", labels="page_lines/gt", unit="line", weight=1.0),
        ),
        validation=(
            Source(
                format="icdar",
                images="msra_td500_train/images",
                labels="msra_td500_train/gt",
                part="9::10",
                unit="line",
            ),
        ),
        batch_size=8,
        workers=1,
    ),
    optim=Optim(
        name="adamw", lr=7e-4, weight_decay=0.01, schedule="cosine", warmup_ratio=0.02, per="step", clip_norm=5.0
    ),
    train=Train(steps=2200, epoch_samples=8000, save_every_steps=200, precision="bf16", ema_decay=0.9985),
)
