// Package order samples the groupings that the model is trained under, and names
// the groups of a document that is decoded or scored.
//
// A grouping gives each position of a segment a group id. The model factorises
// the segment over the groups, p(x) = prod_k p(x_{G_k} | x_{G_<k}): positions of
// one group are predicted together, each group given all earlier ones. So the
// grouping alone decides which task a training step teaches:
//
//	tokens          BOS  a  b  c  d  e  f  g
//	ltr               0  1  2  3  4  5  6  7   the autoregressive model
//	next              0  1  2  3  4  5  6  7   the same, of the content stream (below)
//	blocks:4          0  1  1  1  1  2  2  2   four tokens at once, left to right
//	permuted:4        0  2  1  1  2  1  2  1   any four, then any others
//	spans             0  1  5  4  2  5  3  6   b, c, e and g are blanks: the rest is given
//
// Position 0 is BOS: it is given (weight 0, conditioned on, never predicted), in
// the earliest group. A first group that sees no key would get identical logits
// at each of its positions; BOS is the key that every group can see. Which other
// positions are given is the sampler's choice; how the given positions stand to
// each other is Given, a property of the model.
//
// All kinds train the query stream but next: there the content row of each position
// predicts the token behind it, which is a plain Llama's loss and trains nothing else. A
// share of it in a mixture keeps what a pretrained model, exported as a plain Llama, can
// do; alone it pretrains one.
//
// The values, from small to large: a Sampler draws one kind of grouping; a
// Mixture picks a sampler for each segment; a Stage goes through mixtures, its
// phases; a Curriculum is the stages of a training run (the paper's progressive
// adaptation). Each has one text form, for configuration files and manifests.
//
// Everything here is a pure function of a seq.Key and its arguments, in integer
// arithmetic or exactly rounded steps, so that packing, prefetch, a rebalance, a
// restart or another machine never changes a grouping. Key names the key of a
// training segment.
package order
