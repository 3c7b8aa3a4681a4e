# What other rooms may use of this one.
from . import activation_calls as activation_calls
from . import default_layers as default_layers
from . import zoo as zoo
from .activation_calls import ActivationCall as ActivationCall
from .activation_calls import ActivationMode as ActivationMode
from .names import PRE as PRE
from .network import Network as Network
from .outputs import Output as Output
from .preprocessing import Preprocessing as Preprocessing
from .units import as_tiles as as_tiles
from .units import crop_box as crop_box
from .units import receptive_field_box as receptive_field_box
from .units import receptive_field_crop as receptive_field_crop
from .units import strongest_units as strongest_units
from .units import to_photograph as to_photograph
from .zoo import DEFAULT as DEFAULT
from .zoo import load as load
