#!/bin/sh
# Runs all that docs/results/adaptation.md reports, one run at a time, into OUT. Killed and
# started again it goes on where it was; what is done is not done again. Then
#
#	go run ./docs/results docs/results/adaptation.yaml OUT
#
# writes the page and its plots.
set -eu

[ $# -ge 2 ] || {
	echo "usage: [A3=a3] [TOKENS=1200000] [SEEDS='1 2 3'] $0 OUT CORPUS..." >&2
	exit 2
}
out=$1
shift
a3=${A3:-a3} tokens=${TOKENS:-1200000} seeds=${SEEDS:-1 2 3}
here=$(dirname "$0")
stories=$here/../../../pipeline/models/stories
batch=4096
mkdir -p "$out"

# run NAME SEED TOKENS CONFIG [FLAGS] [-- LINE]: one run; LINE is added to the configuration.
run() {
	name=$1 seed=$2 steps=$(($3 / batch)) config=$4
	shift 4
	dir=$out/$name-$seed
	[ -d "$dir/model" ] && return
	cp "$here/$config" "$dir.yaml"
	echo "eval_every: $((steps / 10 > 0 ? steps / 10 : 1))" >>"$dir.yaml"
	flags=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		flags="$flags $1"
		shift
	done
	[ $# -eq 0 ] || echo "$2" >>"$dir.yaml"
	echo "$(date -u +%H:%M:%S) $name, seed $seed: $steps steps" >&2
	# shellcheck disable=SC2086 # flags are words without spaces
	eval "$a3 train --output \"\$dir\" --config \"\$dir.yaml\" --seed $seed --steps $steps $flags $corpus"
}

corpus=
for file; do corpus="$corpus '$file'"; done

# The plain Llama that the embedded model came from.
[ -d "$out/pretrained/model" ] ||
	eval "$a3 train --output '$out/pretrained' --config '$stories/pretrain.yaml' --tokenizer '$stories/tokenizer.json' $corpus"

init="--init '$out/pretrained/model'"
shape="model: {hidden: 256, ffn: 768, layers: 8, heads: 8, kv_heads: 4, context: 512}"
progressive="--curriculum '$here/progressive.yaml'"
for seed in $seeds; do
	run progressive "$seed" "$tokens" adapt.yaml "$init" "$progressive"
	run direct "$seed" "$tokens" adapt.yaml "$init" "--curriculum '$here/direct.yaml'"
	run official "$seed" "$tokens" adapt.yaml "$init" "$progressive" -- "model: {residual: official}"
	run scratch "$seed" "$tokens" adapt.yaml "--tokenizer '$stories/tokenizer.json'" "$progressive" -- "$shape"
	run progressive-next "$seed" "$tokens" adapt.yaml "$init" "--curriculum '$here/progressive-next.yaml'"
done
for seed in $seeds; do
	for how in random zero mean bos copy; do
		run "query-$how" "$seed" $((tokens / 4)) adapt.yaml "$init" "$progressive" -- "query_init: $how"
	done
done
