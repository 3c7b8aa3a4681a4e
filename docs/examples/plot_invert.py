"""
Feature inversion
=================

An image climbed from noise until its embedding matches that of a photograph.

**How to read it.** Below each image stand the layer and two numbers. The root relative error is the
distance between the two embeddings, divided by the length of the photograph's embedding. The pixel
correlation compares the image with the photograph. What the image shares with the photograph is
preserved in the embedding. What differs, such as a color or the place of an eye, is not.

**Its limits.** A large error may also mean that the climb failed to find a better image. The priors
fill in what the embedding does not determine, so smooth and gray areas say little about the
network. Images that look like nothing can match a deep embedding, and much of what is visible here
depends on the priors.

**Paper.** Mahendran and Vedaldi 2015, `Understanding Deep Image Representations by Inverting Them
<https://arxiv.org/abs/1412.0035>`__. The Fourier coefficients and the caricature come from Olah,
Mordvintsev and Schubert 2017, `Feature Visualization
<https://distill.pub/2017/feature-visualization/>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
depths = cs.invert(net, cat, size=128)
depths

# %%
# The first stages lose nothing visible. Then the colors fade, and with them details that the
# network does not need. The last feature maps still hold an eye and its rough position. The
# embedding before the classifier has no positions, and only holds what is in the photograph. The
# same in numbers:

summary = depths.result().summary
rows = zip(summary["layers"], summary["root_errors"], summary["correlations"], strict=True)
for layer, (error,), (correlation,) in rows:
    print(f"{layer:12} root relative error {error:.3f}, pixel correlation {correlation:.3f}")

# %%
# Three images for one deep layer, each from other noise. What they have in common is preserved in
# the embedding; the rest differs.

cs.invert(net, cat, layer="bn2.pre", count=3, size=160, steps=100)

# %%
# A caricature exaggerates the embedding instead of matching it, and shows its strongest features.

cs.invert(net, cat, layer=("blocks.2", "blocks.4"), goal="caricature", size=160, steps=100)
