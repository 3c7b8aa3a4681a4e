"""
Stylize
=======

A photograph or a video, drawn in a style that a network has learned.

**How to read it.** A network was trained to draw what :func:`convscope.train_style` asks for: the
shapes of the photograph, the colors and strokes of a painting. It needs one pass for a photograph,
where ``style`` needs hundreds. One network holds many styles: all share its convolutions, and each
has a scale and an offset of its own for every channel. Weighted means of these are styles too.

**Its limits.** The styles are those of the network's training; others need
:func:`convscope.train_style`. Strokes have about the size in pixels that they had in training, so
they are fine on a large photograph. ``size`` gives a smaller result with broader strokes. The whole
photograph decides the scale of each channel: a part of it, drawn alone, looks a little different.

**Paper.** Johnson, Alahi and Fei-Fei 2016, `Perceptual Losses for Real-Time Style Transfer and
Super-Resolution <https://arxiv.org/abs/1603.08155>`__; Dumoulin, Shlens and Kudlur 2017, `A Learned
Representation for Artistic Style <https://arxiv.org/abs/1610.07629>`__.
"""

import convscope as cs

astronaut = cs.open_image("sample:astronaut")
cs.stylize(astronaut)

# %%
# The same styles on two more photographs:

cat = cs.open_image("sample:chelsea")
cs.stylize(cat)

# %%

coffee = cs.open_image("sample:coffee")
cs.stylize(coffee)

# %%
# Chosen styles side by side. The page of :doc:`style <plot_style>` has the same paintings drawn by
# the slow way, below which are the pictures of this network.

cs.stylize(coffee, sheet=("starry_night", "shipwreck", "scream", "woman_with_a_hat"))

# %%
# One style by its name:

cs.stylize(cat, style="great_wave")

# %%
# A blend of two styles. On the command line this is
# ``convscope stylize cat.jpg --style mosaic=0.7 --style scream=0.3``.

cs.stylize(cat, style={"mosaic": 0.7, "scream": 0.3})

# %%
# A strip that fades from one style to another:

cs.stylize(cat, style="pencil", fade_to="wheat_field")

# %%
# Two styles, divided by a mask: white gets the first one, black the second. The mask is as large as
# the photograph, and its edge is made soft. Without ``outside``, the photograph itself stays there.

import torch

height, width = cat.shape[-2:]
rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
face = ((columns - 210) / 130) ** 2 + ((rows - 150) / 140) ** 2 < 1
cs.stylize(cat, style="pencil", outside="starry_night", mask=face.float())

# %%
# A smaller result has broader strokes:

cs.stylize(coffee, style="great_wave", size=300)

# %%
# A photograph of any size has no seams. A large one is drawn in bands of rows, but normalized by
# what the whole photograph holds, so it is the same as if it were drawn at once.
#
# ``convscope stylize FOLDER --style mosaic`` draws every photograph of a folder, and a second call
# continues where the first was stopped.
#
# Videos
# ------
#
# A video keeps its sound and the times of its frames (after ``pip install 'convscope[video]'``):
#
#     convscope stylize walk.mp4 --style mosaic -o walk-mosaic.mp4
#
# In Python, this is :func:`convscope.stylize_video`. Frames that are drawn one by one flicker,
# because noise in the video changes the strokes. So each frame takes over three quarters of the
# frame before, moved along the optical flow of the video, where both show the same; ``steady=0``
# leaves that out. With ``fade_to``, the style changes from the first frame to the last. A video
# that breaks off, or a run that you stop, leaves a file with all frames that were made.
