# What other rooms may use of this one.
from . import activation_calls as activation_calls
from . import default_layers as default_layers
from . import zoo as zoo
from .activation_calls import Nonlinearity as Nonlinearity
from .default_layers import token_grid as token_grid
from .network import PRE as PRE
from .network import Network as Network
from .preprocessing import Preprocessing as Preprocessing
from .units import as_tiles as as_tiles
from .units import cut as cut
from .units import field_on as field_on
from .units import outstanding as outstanding
from .units import part_of as part_of
from .units import seen_by as seen_by
from .zoo import load as load
