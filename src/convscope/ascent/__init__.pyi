# What other rooms may use of this one.
from . import resume_files as resume_files
from .loop import climb as climb
from .map_images import MapFrame as MapFrame
from .map_images import climb_map as climb_map
from .map_images import steps_of_map as steps_of_map
from .recipe import Recipe as Recipe
from .resume_files import Resumable as Resumable
from .resume_files import ResumeFile as ResumeFile
from .scales import doubling_sizes as doubling_sizes
from .scales import paste as paste
from .scales import patches as patches
from .tiles import Tiling as Tiling
from .tiles import tile_side as tile_side
from .tiles import tiling as tiling
from .unit_images import Goal as Goal
from .unit_images import climb_goals as climb_goals
from .unit_images import score as score
