"""
Compression
===========

A network in an eighth of its bytes: weights near zero are pruned, the others of a layer share a few
values, and the numbers of these values are entropy-coded. Where a weight is rounded to a value, the
weights after it make up for the error. The network that comes out of the file is measured after
each stage.

**How to read it.** The first row is about the network as it is: how its weights are distributed,
how far each layer can be pruned alone, and how far all of them can. The second row is about what
was made: the bits a weight, layer by layer, the bytes of the files, and the answers that stay the
same. With labels, it is the accuracy.

**Its limits.** Few photographs give rough numbers: a hundred of them tell one percentage point at
best, and the interval in `summary` says how sure they are. Photographs that the network was
calibrated with are not measured on. The sparsity and the number of values follow from a sensitivity
that is measured for small changes, one layer at a time; layers that fail only together look better
than they are. A network that must be a hundred times smaller needs longer training, with its own
data.

**Paper.** Han, Mao and Dally 2016, `Deep Compression
<https://arxiv.org/abs/1510.00149>`__; Hinton, Vinyals and Dean 2015, `Distilling the Knowledge in a
Neural Network <https://arxiv.org/abs/1503.02531>`__, for the training without labels; Frantar,
Ashkboos, Hoefler and Alistarh 2023, `GPTQ <https://arxiv.org/abs/2210.17323>`__, for errors that
make up for each other.
"""

from pathlib import Path
from tempfile import mkdtemp

from parts import photographs

import convscope as cs

net = cs.load("squeezenet1_1")
places = Path(mkdtemp())
compression = cs.compress(
    net,
    folder=photographs(),
    stages=places,
    labeled=False,
    steps=8,
    probes=8,
    limit=24,
)
compression

# %%
# The stages, as files on disk. The photographs here are parts of a few pictures and have no labels
# that the network knows, so what counts is how many of them keep their top class.

summary = compression.result().summary
for stage in summary["stages"]:
    size, ratio = stage["bytes"], stage["ratio"]
    same = stage["agreement"]
    print(f"{stage['stage']:20} {size:11,} bytes  {ratio:5.2f} times smaller  {same:4.0%} the same")
print(summary["parts"])

# %%
# k-means from three starts, with the same number of clusters. Evenly spaced values have a larger
# error and a shorter code.

for start in summary["starts"]:
    print(f"{start['start']:8} error {start['error']:.3%}  {start['bits']:.2f} bits a weight")

# %%
# `load` reads each file. So every technique can be asked what the network still knows: the filters
# of the first layer, a class, and a layer's feature maps, before and after.

from matplotlib import pyplot as plt

files = sorted(places.glob("*.safetensors"))
stages = [cs.load(str(files[number])) for number in (0, 2, len(files) - 1)]
names = ["float32", "pruned", "coded"]
photo = cs.open_image("sample:chelsea")
pictures = [
    [cs.filters(one, limit=16).result().picture for one in stages],
    [cs.class_image(one, target="tabby", steps=32, size=160).result().picture for one in stages],
    [
        cs.activations(one, photo, layer="features.3", sort="index", limit=16).result().picture
        for one in stages
    ],
]
_, axes = plt.subplots(3, 3, figsize=(9, 8))
for row, found in zip(axes, pictures, strict=True):
    for place, picture, name in zip(row, found, names, strict=True):
        place.imshow(picture)
        place.set_title(name)
        place.axis("off")

# %%
# `compare` takes several networks: where each of them looks, for the class that the first one sees.

small = stages[-1]
cs.compare(net, photo, nets=(stages[1], small), methods=("gradcam", "saliency", "smoothgrad"))

# %%
# The last file is the network: its name, its weights, and nothing else.

print(small, f"{files[-1].stat().st_size:,} bytes")
print(small.predict(photo, 3))
