#!/usr/bin/env bash
# From pictures to models, for words as the package carries them and for lines without a teacher's labels: renders text,
# trains, chooses settings, exports.
# Stop it at any moment and call it again: what is rendered stays, and every run goes on from its last checkpoint.
#
#   examples/train_models.sh DATA OUT [words] [lines] [words_v6] [words_large] [lines_large]
#
# DATA holds icdar2015_train and msra_td500_train, each with images/ and gt/ in the format icdar, and backgrounds/ with
# photographs without text. Validation is ICDAR2015's pictures 901 to 1000 and every tenth of MSRA-TD500; nothing is
# trained on them. RESNET18 may name a file of ResNet-18 trained on ImageNet, as torchvision's, for the large models to
# begin with; else they begin with one that has learned what the backbone of diffbin-words answers. words_v6 has the
# network of PP-OCRv6's small detector and begins with its weights: run `diffbin zoo get ppocrv6_small` before. The sizes
# below are for one large GPU; the same, on a CPU, in a minute:
#
#   RENDERED=6 STEPS=2 BATCH=2 WORKERS=0 SETTINGS="augment.crop_px=96 augment.crop_px_min=0" examples/train_models.sh DATA OUT words
set -euo pipefail
data=$1 out=$2
shift 2
: "${RENDERED:=20000}" "${STEPS:=30000}" "${BATCH:=32}" "${WORKERS:=14}" "${SETTINGS:=}"
words=(--images "$data/icdar2015_train/images" --gt "$data/icdar2015_train/gt" --part 900:)
lines=(--images "$data/msra_td500_train/images" --gt "$data/msra_td500_train/gt" --part 9::10)

render() { # NAME SEED OPTIONS...; pictures that are there already are kept
    diffbin synth --out "$data/$1" --count "$RENDERED" --seed "$2" "${@:3}"
}

train() { # NAME OPTIONS...
    local settings=(name="diffbin_$1" data.root="$data" data.batch_size="$BATCH" data.workers="$WORKERS" train.steps="$STEPS"
        train.save_every_steps=500 train.eval_every_steps=5000 augment.crop_px=640 augment.crop_px_min=416 $SETTINGS)
    diffbin train diffbin_words --out "$out/$1" --resume "${settings[@]/#/--set=}" "${@:2}"
}

finish() { # NAME PICTURES...
    diffbin tune "$out/$1/checkpoints/$(printf 'step_%08d.pt' "$STEPS")" "${@:2}" --out "$out/$1.onnx"
}

photographs=(--backgrounds "$data/backgrounds")
small_words=(--set height_min_px=7 --set height_max_px=60 --set gap_min_ratio=0.12)
many_scripts=() # half of the text, as far as there are fonts: words-15 and words-16 of docs/training-log.md
for share in latin=0.6 cjk=0.06 hangul=0.09 cyrillic=0.05 greek=0.02 arabic=0.06 hebrew=0.03 thai=0.05 khmer=0.02 devanagari=0.04 \
    bengali=0.03 gurmukhi=0.015 gujarati=0.015 tamil=0.025 telugu=0.025 kannada=0.02 malayalam=0.02 georgian=0.015 \
    armenian=0.015 ethiopic=0.02; do
    many_scripts+=(--set "scripts.$share")
done
on_lines=(--set=data.train.0.images=msra_td500_train/images --set=data.train.0.labels=msra_td500_train/gt
    "--set=data.train.0.part=!9::10" --set=data.train.0.unit=line
    --set=data.train.1.images=rendered_lines/images --set=data.train.1.labels=rendered_lines/gt --set=data.train.1.unit=line
    --set=data.train.2.images=rendered_signs/images --set=data.train.2.labels=rendered_signs/gt --set=data.train.2.unit=line
    --set=data.train.3.images=rendered_pages/images --set=data.train.3.labels=rendered_pages/gt --set=data.train.3.unit=line
    --set=data.validation.0.images=msra_td500_train/images --set=data.validation.0.labels=msra_td500_train/gt
    --set=data.validation.0.part=9::10 --set=data.validation.0.unit=line
    --set=preprocess.short_px=736 --set=preprocess.long_px=1312 --set=augment.rotate_deg=30
    --set=augment.scale_min=0.35 --set=augment.scale_max=1.1 --set=targets.shrink_ratio=0.6)
large=(--set=model.backbone=resnet18 --set=model.lateral_channels=256 --set=model.smooth_channels=64
    --set=preprocess.mean_rgb=123.675,116.28,103.53 --set=preprocess.std_rgb=58.395,57.12,57.375)
v6=(--set=model.backbone=lcnetv4 --set=model.neck=replkfpn --set=model.lateral_channels=96 --set=model.smooth_channels=24
    --set=preprocess.mean_rgb=103.53,116.28,123.675 --set=preprocess.std_rgb=57.375,57.12,58.395)
learned=$out/resnet18.pth

match() { # OPTIONS...; a ResNet-18 that answers what the embedded model's does, where none trained on ImageNet is named
    local settings=("${@#--set=}" data.root="$data" data.batch_size="$BATCH" data.workers="$WORKERS" $SETTINGS)
    mkdir -p "$out"
    [ -n "${RESNET18:-}" ] || [ -f "$learned" ] || {
        python "$(dirname "$0")/match_features.py" diffbin-words "$((STEPS / 10 + 1))" "$learned.part" diffbin_words "${settings[@]}" &&
            mv "$learned.part" "$learned"
    }
}

for model in "${@:-words}"; do
    case $model in words | lines | words_v6 | words_large | lines_large) continue ;; esac
    echo "There is no model $model; known are words, lines, words_v6, words_large and lines_large." >&2 && exit 2
done

for model in "${@:-words}"; do
    case $model in
    words*) # by the names that the recipe has them under
        render dense 40000 "${photographs[@]}" --set words_min=10 --set words_max=70 "${small_words[@]}" "${many_scripts[@]}"
        render written 970200 --images "$data/icdar2015_train/images" --gt "$data/icdar2015_train/gt" --part 0:900 \
            --set words_min=4 --set words_max=40 "${small_words[@]}" "${many_scripts[@]}"
        render pages 3000000 "${photographs[@]}" --set page_ratio=1 --set height_min_px=7 --set height_max_px=26 ;;
    lines*) render rendered_lines 60000 "${photographs[@]}" --unit line --set scripts.latin=0.55 --set scripts.cjk=0.4 \
        --set height_min_px=10 --set height_max_px=150 --set words_max=24
        render rendered_signs 90000 "${photographs[@]}" --unit line --set scripts.latin=0.25 --set scripts.cjk=0.75 \
            --set spaced_ratio=0.45 --set spaced_max_ratio=1.2 --set vertical_ratio=0.35 --set words_min=2 \
            --set words_max=10 --set height_min_px=20 --set height_max_px=220
        render rendered_pages 3100000 "${photographs[@]}" --unit line --set scripts.latin=0.6 --set scripts.cjk=0.3 \
            --set page_ratio=1 --set size_px=960,960 --set height_min_px=9 --set height_max_px=34 --set sideways_ratio=0.3 ;;
    esac
    case $model in
    words) # each command on a line of its own: behind && the script would go on where one fails
        train words --weights diffbin-words
        finish words "${words[@]}"
        ;;
    words_v6)
        train words_v6 "${v6[@]}" --weights ppocrv6_small
        finish words_v6 "${words[@]}"
        ;;
    words_large)
        match "${large[@]}"
        train words_large "${large[@]}" --backbone "${RESNET18:-$learned}"
        finish words_large "${words[@]}"
        ;;
    lines)
        train lines "${on_lines[@]}" --weights diffbin-lines --set=model.backbone=efficientnet_lite0_fused \
            --set=model.lateral_channels=64
        finish lines "${lines[@]}"
        ;;
    lines_large)
        match "${on_lines[@]}" "${large[@]}"
        train lines_large "${on_lines[@]}" "${large[@]}" --backbone "${RESNET18:-$learned}"
        finish lines_large "${lines[@]}"
        ;;
    esac
done
