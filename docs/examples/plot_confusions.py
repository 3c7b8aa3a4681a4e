"""
Confusions
==========

The classes of a labeled collection that are confused with one another, with images.

**How to read it.** A row is a pair of classes. The images left of the gap belong to the first class
but were classified as the second, the most confident mistake first. The images right of the gap are
typical of the second class. Often the reason is visible: a wrong label, an image that shows both,
or a background that belongs to the other class. The bars show the accuracy of each class, the
lowest first.

**Its limits.** The label of an image is the name of its folder, and nothing checks it. If the
labels are classes of the network (names, numbers or WordNet ids), its predictions count. Otherwise
an image is assigned to the class with the nearest mean embedding, and a trained classifier would
often do better. The accuracy of a class with few images is a rough number.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__,
for top-1 and top-5 accuracy; Mensink, Verbeek, Perronnin and Csurka 2013,
`Distance-Based Image Classification
<https://ieeexplore.ieee.org/document/6517188>`__, for the nearest mean
classifier.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
found = cs.confusions(net, index=index)
found

# %%
# The labels here are the photographs that the parts come from, which are not classes of the
# network. The mean embeddings tell nearly all of them apart. Only two parts of the flower's
# background, on which there is hardly anything to see, are assigned to another photograph.

summary = found.result().summary
print(f"by {summary['by']}: {summary['accuracy']:.1%} of {summary['images']} right")
print(summary["precision_at_5"])

# %%
# The mean embeddings are among the arrays. Their cosine tells how similar two classes are to the
# network.

means = found.result().arrays["means"]
labels = [one["label"] for one in summary["classes"]]
grass, gravel, cat = (means[labels.index(name)] for name in ("grass", "gravel", "chelsea"))
print("grass and gravel", grass @ gravel / (grass @ grass * (gravel @ gravel)) ** 0.5)
print("grass and a cat", grass @ cat / (grass @ grass * (cat @ cat)) ** 0.5)
