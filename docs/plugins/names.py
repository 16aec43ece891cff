"""The public names of the package and where they are defined."""

from functools import cache

from keras_nonlocal._surface import PACKAGE, public_names, rooms

PAGES = {"": PACKAGE} | {room: f"{PACKAGE}.{room}" for room in rooms()}


@cache
def entries() -> dict[str, dict[str, str]]:
    """Returns a mapping from room to public name to the path of its definition.

    What several rooms offer has its entry in the room that defines it, or else in the
    first one that lists it.
    """
    homes: dict[str, str] = {}
    for room in (*rooms(), ""):
        for path in _definitions(room).values():
            if path not in homes or (room and path.startswith(f"{PACKAGE}.{room}.")):
                homes[path] = room
    table: dict[str, dict[str, str]] = {room: {} for room in PAGES}
    for path, room in homes.items():
        table[room][path.rpartition(".")[2]] = path
    return table


@cache
def public_paths() -> dict[str, str]:
    """Returns a mapping from each public path to the path of its definition."""
    return {
        f"{page}.{name}": path
        for room, page in PAGES.items()
        for name, path in _definitions(room).items()
    }


def _definitions(room: str) -> dict[str, str]:
    """Returns a mapping from the names of a room to the paths of their definitions."""
    found = {}
    for name, module in public_names(room).items():
        # The package offers names of its rooms, which have them from their modules.
        inner = module.removeprefix(f"{PACKAGE}.")
        own = public_names(inner) if inner in rooms() else {}
        found[name] = f"{own.get(name, module)}.{name}"
    return found
