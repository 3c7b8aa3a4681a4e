"""
Fooling
=======

A photograph that looks unchanged, in which the network sees any class that you choose.

**How to read it.** Above are the photograph, its change, amplified by the gain in the caption, and
the fooled photograph. What the network does not see of the photograph is dark, and stays as it is.
Below are the top classes of both, and between them the race: the probabilities of the chosen class
and of the first one, step by step. When the network is sure enough, the change shrinks as long as
the network stays sure, which is why the line then stays near the wanted confidence. The control has
the same changes of pixels in random places.

**Its limits.** The change is made for one network and one photograph. Another network mostly sees
what is there, and a JPEG file loses much of the change; the summary says how much. A search that
finds no smaller change does not show that there is none.

**Paper.** Szegedy et al. 2014, `Intriguing properties of neural networks
<https://arxiv.org/abs/1312.6199>`__, changed photographs. Nguyen, Yosinski and Clune 2015, `Deep
Neural Networks are Easily Fooled <https://arxiv.org/abs/1412.1897>`__, began without one.
"""

import tempfile
from pathlib import Path

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
fooled = cs.fool(net, cat, target="lighthouse").result()
fooled

# %%
# Norms are of the photograph, whose pixels run from 0 to 1; ``ssim`` is the structural similarity.

summary = fooled.summary
print(f"L2 {summary['l2']:.2f}, largest {255 * summary['linf']:.0f} of 255", end=", ")
print(f"root mean square {255 * summary['rms']:.2f} of 255, SSIM {summary.get('ssim'):.4f}")
print(f"the control: {summary.get('random')}")
print(f"as a JPEG file: {summary.get('jpeg')}")

# %%
# With ``alone``, the picture is the fooled photograph itself, at its own size. A PNG file of it,
# read again, still fools the network:

folder = Path(tempfile.mkdtemp())
file = cs.fool(net, cat, target="lighthouse", alone=True).save(folder / "fooled.png")
print(net.predict(cs.open_image(file), 2))

# %%
# Where does the network look now? In a column, equal colors are equal values.

methods = ("saliency", "gradcam", "occlusion")
cs.compare(net, cat, beside=str(file), methods=methods)

# %%
# On the command line, the second line makes an animation of the race:
#
# .. code-block:: bash
#
#    convscope fool photo.jpg --target lighthouse --alone -o fooled.png
#    convscope fool photo.jpg --target lighthouse -o race.gif
#
# Without a photograph, it begins with noise, or with a plain color.

cs.fool(net, target="tabby")

# %%

cs.fool(net, target="espresso", start="gray")
