"""The forecast of a move on the screen: in a sentence, what was weighed, why, on what grounds."""

from godwit import wire
from godwit.cli.forecast_words import (
    ALTERNATIVE_COLUMNS,
    alternative_cells,
    forecast_words,
    postcopy_risk,
    recipe_words,
    short_forecast,
)
from godwit.cli.screen import Screen

__all__ = ["show_alternatives", "show_forecast", "show_forecast_line"]


def show_forecast(screen: Screen, move: wire.Move, *, indent: int = 2, whole: bool = True) -> None:
    """Print what is expected of one move; ``whole`` adds what was weighed, and the grounds."""
    if move.forecast is None:
        screen.line("Forecast: none was made.", indent=indent)
    else:
        screen.line(f"Forecast: {forecast_words(move.forecast, move.recipe)}.", indent=indent)
    screen.line(f"Recipe: {recipe_words(move.recipe)}.", indent=indent)
    if move.recipe_reason:
        screen.line(f"Why this recipe: {move.recipe_reason}", indent=indent)
    if risk := postcopy_risk(move):
        screen.line(risk, indent=indent, style="yellow")
    if not whole:
        return
    show_alternatives(screen, move.alternatives)
    if move.forecast is not None and move.forecast.grounds:
        screen.line("What the forecast rests on:", indent=indent)
        for ground in move.forecast.grounds:
            screen.line(f"- {ground}", indent=indent + 2)


def show_alternatives(screen: Screen, alternatives: tuple[wire.Alternative, ...]) -> None:
    """Print the recipes that were weighed; the chosen one comes first. One alone is no choice."""
    if len(alternatives) < 2:
        return
    rows = [
        alternative_cells(one, chosen=index == 0)
        for index, one in enumerate(alternatives)
        if not one.excluded
    ]
    screen.heading("Recipes that were weighed (* is taken; KEEPS: the chance to keep the promise)")
    screen.table(ALTERNATIVE_COLUMNS, rows)
    for one in alternatives:
        if one.excluded:
            screen.line(f"Not {one.name}: {one.excluded}", indent=2)
    screen.line()


def show_forecast_line(screen: Screen, move: wire.Move, *, indent: int) -> None:
    """Print what is expected of one of many moves."""
    if move.forecast is None:
        screen.line("Forecast: none was made.", indent=indent)
        return
    screen.line(f"Forecast: {short_forecast(move.forecast, move.recipe)}.", indent=indent)
