"""What there is: the session, networks, techniques, words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from convscope.web import events
from convscope.web.models import (
    ClassInfo,
    Deleted,
    Graph,
    Prediction,
    RecipeExample,
    RecipeFile,
    RecipeParts,
    RecipeTexts,
    RunInfo,
    Session,
    TechniqueInfo,
    Vocabulary,
)
from convscope.web.routes.common import TheExplorer, TheNetwork

router = APIRouter()


@router.get("/session", operation_id="getSession", tags=["session"])
async def session(explorer: TheExplorer) -> Session:
    """What the command line gave, and how far it is loaded."""
    return explorer.session


@router.get(
    "/events",
    operation_id="followSession",
    tags=["session"],
    response_class=EventSourceResponse,
    responses={200: {"model": Session | RunInfo | Deleted, "description": "The events' data."}},
)
async def follow_session(explorer: TheExplorer) -> AsyncIterator[ServerSentEvent]:
    """Events: `session` (Session), `run` (RunInfo) of every run, and `deleted` (Deleted).

    The session comes at first, then what changes. Where the stream ends, connect again, and ask for
    the list of runs.
    """
    async for event in events.of_all(explorer):
        yield event


@router.get("/techniques", operation_id="listTechniques", tags=["words"])
async def techniques(explorer: TheExplorer) -> list[TechniqueInfo]:
    """All registered techniques, with the schemas of their options."""
    answer: list[TechniqueInfo] = await explorer.questions.ask("catalog")
    return answer


@router.get("/vocabulary", operation_id="getVocabulary", tags=["words"])
async def vocabulary(explorer: TheExplorer) -> Vocabulary:
    """The words that recipes are made of, with the schemas of their arguments."""
    answer: Vocabulary = await explorer.questions.ask("vocabulary")
    return answer


@router.get("/recipes", operation_id="listRecipes", tags=["words"])
async def recipes(
    explorer: TheExplorer,
    network: Annotated[
        str | None,
        Query(max_length=10, description="The id of the network whose layers they name."),
    ] = None,
) -> list[RecipeExample]:
    """Recipes that are papers."""
    if network is not None and network not in explorer.questions.networks:
        raise HTTPException(404, "there is no network of that id")
    answer: list[RecipeExample] = await explorer.questions.ask("recipes", network=network)
    return answer


@router.post("/recipes/write", operation_id="writeRecipe", tags=["words"])
async def write_recipe(explorer: TheExplorer, parts: RecipeParts) -> RecipeTexts:
    """A recipe as texts, and as a recipe file."""
    answer: RecipeTexts = await explorer.questions.ask("write_recipe", parts=parts)
    return answer


@router.post("/recipes/read", operation_id="readRecipe", tags=["words"])
async def read_recipe(explorer: TheExplorer, file: RecipeFile) -> RecipeParts:
    """The parts of a recipe file."""
    answer: RecipeParts = await explorer.questions.ask("read_recipe", toml=file.toml)
    return answer


@router.get("/networks/{network}/graph", operation_id="getGraph", tags=["networks"])
async def graph(explorer: TheExplorer, network: TheNetwork) -> Graph:
    """The layers of a network, and which of them feeds which."""
    answer: Graph = await explorer.questions.ask("graph", network=network)
    return answer


@router.get("/networks/{network}/classes", operation_id="listClasses", tags=["networks"])
async def classes(
    explorer: TheExplorer,
    network: TheNetwork,
    search: Annotated[str, Query(max_length=200, description="A part of the name.")] = "",
    limit: Annotated[int, Query(ge=1, le=5000, description="The most to list.")] = 50,
) -> list[ClassInfo]:
    """The classes of a network."""
    asked = {"network": network, "search": search, "limit": limit}
    answer: list[ClassInfo] = await explorer.questions.ask("classes", **asked)
    return answer


@router.get("/networks/{network}/predictions", operation_id="listPredictions", tags=["networks"])
async def predictions(
    explorer: TheExplorer,
    network: TheNetwork,
    image: Annotated[str, Query(max_length=40, description="The id of an image.")],
) -> list[Prediction]:
    """The most probable classes of an image."""
    found = explorer.images.get(image)
    if found is None:
        raise HTTPException(404, "there is no image of that id")
    ask = explorer.questions.ask
    answer: list[Prediction] = await ask("predictions", network=network, image=found.source)
    return answer
