"""
Linearity
=========

The explanation of adversarial examples: close to a photograph, a network is nearly linear.

**How to read it.** The first plot changes every pixel by epsilon, up or down as the gradient says,
and shows the logits of the classes. The second plot does the same with random signs. In the third,
the change of the score, the logit of one class minus that of another, is compared with what a
linear network would do: epsilon times the L1 norm of the gradient. The map shows the predictions in
the plane of both directions, with the photograph in the middle.

**Its limits.** The lines bend: far from the photograph the gradient is another one, and the sum
overestimates the change. Two directions of 150,000 are shown. The random one stands for all others:
they change the score little, but not quite nothing.

**Paper.** Goodfellow, Shlens and Szegedy 2015, `Explaining and Harnessing Adversarial Examples
<https://arxiv.org/abs/1412.6572>`__.
"""

import convscope as cs

net = cs.load()
cs.linearity(net, cs.open_image("sample:chelsea"), target="lynx")

# %%
# The sum of many small changes in numbers. The closer to the photograph, the more of what the
# gradient promises is measured:

run = cs.linearity(net, cs.open_image("sample:chelsea"), target="lynx", epsilon=0.4 / 255)
summary = run.result().summary
print(f"{summary['target']} minus {summary['label']}", end=", ")
print(f"L1 norm of the gradient {summary['gradient_l1']:.0f}")
for row in summary["changes"]:
    print(
        f"epsilon {row['epsilon']:.2f}/255: expected {row['expected']:+.1f},"
        f" measured {row['measured']:+.1f}, with random signs {row['random']:+.2f}"
    )
