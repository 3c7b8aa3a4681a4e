"""The commands that are not techniques, one file each."""

from convscope.cli.commands.ascend import ascend
from convscope.cli.commands.doctor import doctor
from convscope.cli.commands.explore import explore
from convscope.cli.commands.export import export
from convscope.cli.commands.index import index
from convscope.cli.commands.layers import layers
from convscope.cli.commands.models import models
from convscope.cli.commands.replay import replay
from convscope.cli.commands.report import report
from convscope.cli.commands.spectrum import spectrum
from convscope.cli.commands.tour import tour
from convscope.cli.commands.train_style import train_style
from convscope.cli.commands.words import words

COMMANDS = (
    tour,
    explore,
    index,
    report,
    export,
    ascend,
    replay,
    train_style,
    spectrum,
    layers,
    models,
    words,
    doctor,
)
