"""
Feature inversion
=================

What a layer still knows of the photograph: an image climbed from noise until its embedding matches.

**How to read it.** Below each image are the layer and how near it came: the root of the squared
distance between the two embeddings over the squared size of the photograph's, and the correlation of its
pixels with the photograph's. What the image shares with the photograph, the embedding still tells. What
it has made up, another color or an eye in another place, the embedding has left free.

**Its limits.** An error may also mean that the climb did not find what is there. What is left free
is filled in by the priors, so smooth areas and gray say little about the network. A deep embedding can
be matched by images that look like nothing, and much of what is seen here depends on the priors.

**Paper.** Mahendran and Vedaldi 2015, `Understanding Deep Image Representations by Inverting Them
<https://arxiv.org/abs/1412.0035>`__. The start from Fourier coefficients and the caricature are
those of Olah, Mordvintsev and Schubert 2017, `Feature Visualization
<https://distill.pub/2017/feature-visualization/>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
depths = cs.invert(net, cat, size=128)
depths

# %%
# The first stages lose nothing that the eye could see. Then colors fade, and with them what the
# network does not need; the last maps still know an eye and roughly where it was, and the embedding
# before the classifier, without places, only what was there. The same in numbers:

summary = depths.result().summary
rows = zip(summary["layers"], summary["root_errors"], summary["correlations"], strict=True)
for layer, (error,), (correlation,) in rows:
    print(f"{layer:12} root relative error {error:.3f}, pixel correlation {correlation:.3f}")

# %%
# Three seeds for one deep layer. What they have in common is in its embedding; in the rest they differ.

cs.invert(net, cat, layer="bn2.pre", count=3, size=160, steps=100)

# %%
# A caricature does not match the embedding but exaggerates it, and shows what is strong in it.

cs.invert(net, cat, layer=("blocks.2", "blocks.4"), goal="caricature", size=160, steps=100)
