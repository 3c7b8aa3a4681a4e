# The public surface, once: lazy_loader reads this file at run time, type checkers always.
from . import objectives as objectives
from . import optimisers as optimisers
from . import priors as priors
from . import rules as rules
from . import starts as starts
from .recipe import Recipe as Recipe
from .recipe import ascend as ascend
from .errors import ConvscopeError as ConvscopeError
from .images import open_image as open_image
from .network import Network as Network
from .objectives import activation as activation
from .objectives import energy as energy
from .objectives import logit as logit
from .objectives import peak as peak
from .objectives import tv as tv
from .registry import Seed as Seed
from .registry import TargetName as TargetName
from .registry import technique as technique
from .run import Result as Result
from .run import Run as Run
from .techniques.activations import activations as activations
from .techniques.class_image import class_image as class_image
from .techniques.deepdream import deepdream as deepdream
from .techniques.filters import filters as filters
from .techniques.gradients import deconv as deconv
from .techniques.gradients import guided as guided
from .techniques.gradients import saliency as saliency
from .techniques.predict import predict as predict
from .types import Frame as Frame
from .types import Layer as Layer
from .types import Prediction as Prediction
from .types import Target as Target
from .zoo import load as load
from .zoo import models as models

__version__: str
