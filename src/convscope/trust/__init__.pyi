# What other rooms may use of this one.
from .checks import check as check
from .methods import attribute as attribute
from .methods import attribution as attribution
from .methods import on_one_scale as on_one_scale
from .methods import over_photo as over_photo
from .methods import similarity as similarity
