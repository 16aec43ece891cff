"""The public names of the package and where they are defined."""

from functools import cache

from keras_nonlocal._surface import PACKAGE, public_names, rooms

PAGES = {"": PACKAGE} | {room: f"{PACKAGE}.{room}" for room in rooms()}


@cache
def entries() -> dict[str, dict[str, str]]:
    """Returns a mapping from room to public name to the path of its definition.

    A name that several rooms offer has its entry in the room that defines it, or else
    in the first one that lists it.
    """
    homes: dict[str, tuple[str, str]] = {}
    for room in (*rooms(), ""):
        for name, module in public_names(room).items():
            if name not in homes or (room and module.startswith(f"{PACKAGE}.{room}.")):
                homes[name] = room, f"{module}.{name}"
    table: dict[str, dict[str, str]] = {room: {} for room in PAGES}
    for name, (room, path) in homes.items():
        table[room][name] = path
    return table


@cache
def public_paths() -> dict[str, str]:
    """Returns a mapping from each public path to the path of its definition."""
    by_name = {name: path for room in entries().values() for name, path in room.items()}
    return {
        f"{page}.{name}": by_name[name]
        for room, page in PAGES.items()
        for name in public_names(room)
    }
