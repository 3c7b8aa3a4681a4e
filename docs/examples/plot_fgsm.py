"""
Fast gradient sign
==================

One step that changes every pixel by the same amount, up or down as the gradient says.

**How to read it.** On the left is what the network sees of the photograph, with its predictions. In
the middle is the change, amplified around gray by the gain above it. On the right is the sum of
both. Each pixel changes by epsilon (pixels run from 0 to 1), which is far too little to see. All
changes push the score the same way, and there are 150,000 of them, so they add up.

**Its limits.** The gradient holds near the photograph. A step that is too small does not get
across the boundary, and one that is too large may go past the place where the network errs. Failure
says nothing about the network; ``pgd`` finds a change almost every time.

**Paper.** Goodfellow, Shlens and Szegedy 2015, `Explaining and Harnessing Adversarial Examples
<https://arxiv.org/abs/1412.6572>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.fgsm(net, cat)

# %%
# The result holds the attacked input, and the photograph with the change carried back onto it, in
# whole steps of 1/255. What the network says of that one is in the summary, too:

summary = cs.fgsm(net, cat).result().summary
for name in ("label", "prediction", "success", "saved_prediction", "saved_success"):
    print(f"{name}: {summary[name]}")
print(f"largest change of the saved photograph: {255 * summary['saved_linf']:.2f}/255")

# %%
# The length of the step matters. The network is surer of this photograph, so that a short step is
# too short, and a long one too long:

coffee = cs.open_image("sample:coffee")
for size in (1, 2, 4, 8):
    summary = cs.fgsm(net, coffee, epsilon=size / 255).result().summary
    print(f"{size}/255: {summary['prediction']} {summary['probability']:.0%}")
