#!/bin/sh
# Runs all that docs/results/adaptation.md reports, one run at a time, into OUT. Killed and
# started again it goes on where it was; what is done is not done again. Then
#
#	go run ./docs/results docs/results/adaptation.yaml OUT
#
# writes the page and its plots.
set -eu

[ $# -ge 2 ] || {
	echo "usage: [A3=a3] [TOKENS=4000000] [PRETRAIN=8000000] [SEEDS='1 2 3'] $0 OUT CORPUS..." >&2
	exit 2
}
out=$1
shift
a3=${A3:-a3} tokens=${TOKENS:-4000000} pretrain=${PRETRAIN:-8000000} seeds=${SEEDS:-1 2 3}
here=$(dirname "$0")
batch=4096
mkdir -p "$out"

# run NAME SEED TOKENS CONFIG [FLAGS] [-- LINE]: one run; LINE is added to the configuration.
run() {
	name=$1 seed=$2 steps=$(($3 / batch)) config=$4
	shift 4
	dir=$out/$name-$seed
	[ -d "$dir/model" ] && return
	cp "$here/$config" "$dir.yaml"
	echo "eval_every: $((steps / 20 > 0 ? steps / 20 : 1))" >>"$dir.yaml"
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

run pretrained 1 "$pretrain" pretrain.yaml
init="--init '$out/pretrained-1/model'"
shape="model: {hidden: 256, ffn: 768, layers: 8, heads: 8, kv_heads: 4, context: 256}"
progressive="--curriculum '$here/progressive.yaml'"
for seed in $seeds; do
	run progressive "$seed" "$tokens" adapt.yaml "$init" "$progressive"
	run direct "$seed" "$tokens" adapt.yaml "$init" "--curriculum '$here/direct.yaml'"
	run official "$seed" "$tokens" adapt.yaml "$init" "$progressive" -- "model: {residual: official}"
	run scratch "$seed" "$tokens" adapt.yaml "--tokenizer '$out/pretrained-1/model/tokenizer.json'" "$progressive" -- "$shape"
	run progressive-next "$seed" "$tokens" adapt.yaml "$init" "--curriculum '$here/progressive-next.yaml'"
	for how in random zero mean bos copy; do
		run "query-$how" "$seed" $((tokens / 4)) adapt.yaml "$init" "$progressive" -- "query_init: $how"
	done
done
