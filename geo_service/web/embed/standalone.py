"""A map as one file for websites that may frame nothing: everything inside, no network.

The map is Folium's (`maps`), its modules are put into one script, its data stand beside it as
JSON, and a policy in the file lets exactly these scripts and styles run and nothing be asked
for. Record text reaches the file as data and as escaped text alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from geo_service import maps
from geo_service.config import static_dir, templates_dir
from geo_service.errors import NotFoundError, QueryError
from geo_service.formats import german_date, german_number
from geo_service.map_images import MapPicture, draw_choropleth
from geo_service.schema import METRIC_CRS, WGS84
from geo_service.web.filters import Filter
from geo_service.web.places import GROUP_NAMES
from geo_service.web.rendering import area_index

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geo_service.maps import MapParts
    from geo_service.schema import Level
    from geo_service.web.areas import Area
    from geo_service.web.places import Place
    from geo_service.web.site import View

__all__ = ["StandaloneMap", "bundle_script", "read_area", "write_whole"]

_STYLES: Final = ("css/site.css", "vendor/leaflet/leaflet.css", "css/map.css", "css/embed.css")
_IMPORT: Final = re.compile(
    r'^\s*import \{([^}]*)\} from "\./(?:static/js/)?([\w-]+)\.js";$', re.MULTILINE
)
_EXPORT: Final = re.compile(r"^export ((?:async )?function (\w+))", re.MULTILINE)
_PICTURE: Final = re.compile(r"url\(images/[^)]*\)")
_FINER: Final[Mapping[Level, Level]] = {
    "land": "kreis",
    "kreis": "verbandsgemeinde",
    "verbandsgemeinde": "gemeinde",
    "gemeinde": "gemeinde",
}
"""Which areas the picture draws inside the one it shows."""

_OWN_DATA: Final = """
const data = JSON.parse(document.getElementById("karten-daten").textContent);
modules.map.load = async (url) => {
  if (!(url in data)) throw new Error(url);
  return data[url];
};
"""
"""What takes the place of asking a server."""


def read_area(view: View, key: str) -> Area:
    """Return the area of any of its keys; the Land for an empty one.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    index = area_index(view)
    if not key:
        return next(iter(index.areas.values()))
    found = index.get(index.canonical(key) or "")
    if found is None:
        raise NotFoundError(f"--gebiet: expected the key of an area, got {key!r}")
    return found


def bundle_script(script: str) -> str:
    """Return `script` with all modules of ours that it imports, as one script without any.

    Each module becomes a function that runs once and returns what it exports, so their names
    do not meet. Understands what our files use: named imports and exported functions.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in texts:
            return
        source = (static_dir() / "js" / f"{name}.js").read_text("utf-8")
        for _, other in _IMPORT.findall(source):
            add(other)
        exports = ", ".join(found for _, found in _EXPORT.findall(source))
        code = _EXPORT.sub(r"\1", _taken(source))
        texts[name] = f"modules.{name} = (() => {{\n{code}\nreturn {{ {exports} }};\n}})();\n"
        if name == "map":
            texts[name] += _OWN_DATA

    for _, name in _IMPORT.findall(script):
        add(name)
    parts = "".join(texts.values())
    return f'"use strict";\n(() => {{\nconst modules = {{}};\n{parts}\n{_taken(script)}\n}})();\n'


def _taken(source: str) -> str:
    """Return a module that takes what it imports from `modules`."""
    return _IMPORT.sub(r"const {\1} = modules.\2;", source)


@dataclass(frozen=True)
class StandaloneMap:
    """The map of an area's places, of some kinds and themes or of all.

    `public_url` begins the links to our pages; where it is empty the file has none.
    """

    view: View
    area: Area
    kinds: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    name: str = ""
    public_url: str = ""

    @property
    def query(self) -> Filter:
        """Return which places it shows."""
        areas = () if self.area.level == "land" else (self.area.key,)
        return Filter(areas=areas, kinds=self.kinds, themes=self.themes)

    @property
    def places(self) -> tuple[Place, ...]:
        """Return the places, in the order of the list."""
        return self.view.select(self.query).places

    @property
    def title(self) -> str:
        """Return what the file is called."""
        return self.name if self.area.level == "land" else f"{self.name}: {self.area.name}"

    @property
    def subtitle(self) -> str:
        """Return how many places of which kinds there are, on which day."""
        count = len(self.places)
        chosen = ", ".join((*self.kinds, *self.themes))
        many = f"{german_number(count)} {'Ort' if count == 1 else 'Orte'}"
        kinds = f" ({chosen})" if chosen else ""
        return f"{many}{kinds}, Stand {german_date(self.view.today)}"

    @property
    def notes(self) -> list[str]:
        """Return the sources, and what the reader must know of the points."""
        rough = sum(place.rough for place in self.places)
        nowhere = sum(not place.placed for place in self.places)
        said = [f"{german_number(rough)} nur ungefähr platziert"] if rough else []
        said += (
            [f"{german_number(nowhere)} ohne bekannte Lage, nur in der Liste"] if nowhere else []
        )
        return [*said, *self.view.snapshot.source_notes]

    def html(self) -> bytes:
        """Return the file."""
        parts = self._map
        styles = "\n".join(_style(name) for name in _STYLES)
        scripts = [_asset(name) for name in parts.scripts] + [bundle_script(parts.script)]
        environment = Environment(
            loader=FileSystemLoader(templates_dir()),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        text = environment.get_template("einbetten/datei.html").render(
            file=self,
            map=Markup(parts.html),  # noqa: S704 - written by us, its texts escaped
            styles=Markup(styles),  # noqa: S704 - our own files
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own files
            data=Markup(_json(self._data)),  # noqa: S704 - escaped for a script element
            policy=_policy(scripts, [styles]),
            groups=GROUP_NAMES,
        )
        return text.encode()

    def png(self) -> bytes:
        """Return the picture for pages that can show nothing else."""
        spots = [(place.lon, place.lat) for place in self.places if place.placed]
        points = gpd.GeoSeries(gpd.points_from_xy(*np.array(spots).reshape(-1, 2).T), crs=WGS84)
        metric = points.to_crs(METRIC_CRS)
        areas = self._parts_shown
        shapes = np.asarray(areas.to_crs(METRIC_CRS).geometry.array, dtype=object)
        picture = MapPicture(
            title=self.title,
            subtitle=self.subtitle,
            shapes=shapes,
            names=areas["name"].tolist(),
            index=np.full(len(shapes), -1),
            classes=(),
            overlays=(),
            outlines=shapes[:0],
            legend_title="",
            method="",
            notes=self.notes,
            spots=list(zip(metric.x, metric.y, strict=True)),
            spots_label="Ort aus der Liste",
        )
        return draw_choropleth(picture, kind="png", sheet="bildschirm")

    # ---------------------------------------------------------------------------- parts

    @property
    def _map(self) -> MapParts:
        is_land = self.area.level == "land"
        return maps.build_places_map(
            maps.MapOptions(
                places_url="orte",
                borders_url="LEVEL",
                towns_url="staedte",
                revision=self.view.snapshot.revision,
                bounds=self.view.snapshot.territory.bounds,
                view=self.area.bounds,
                outline_url="" if is_land else "umriss",
            )
        )

    @property
    def _data(self) -> dict[str, Any]:
        """Return what the map asks for, by the address it asks with."""
        view = self.view
        found = {"orte": view.map_places(self.query), "staedte": view.towns()}
        found |= {level: view.borders(level, None) for level in ("land", "kreis")}
        for key in self._near_kreise:
            found[f"gemeinde?kreis={key}"] = view.borders("gemeinde", key)
        data = {name: json.loads(body.content) for name, body in found.items()}
        if self.area.level != "land":
            thinned = maps.thin_borders(view.snapshot.territory.municipalities)
            text = maps.outline_geojson(thinned, level=self.area.level, key=self.area.key)
            data["umriss"] = json.loads(text)
        return data

    @property
    def _near_kreise(self) -> list[str]:
        """Return the Kreise whose municipalities the map draws near by."""
        west, south, east, north = self.area.bounds
        kreise = [one for one in area_index(self.view).areas.values() if one.level == "kreis"]
        return [
            one.key
            for one in kreise
            if one.bounds[0] < east and west < one.bounds[2]
            if one.bounds[1] < north and south < one.bounds[3]
        ]

    @property
    def _parts_shown(self) -> gpd.GeoDataFrame:
        areas = self.view.snapshot.areas[_FINER[self.area.level]]
        if self.area.level == "land":
            return areas
        table = self.view.snapshot.municipalities
        columns = ("ags", "verbandsgemeinde_key", "kreis_key")
        inside = table[np.logical_or.reduce([table[name] == self.area.key for name in columns])]
        keys = set(inside[["ags", "verbandsgemeinde_key"]].to_numpy().ravel().tolist())
        return areas[areas["key"].isin(keys)]


def write_whole(files: Mapping[Path, bytes]) -> None:
    """Write each file whole: all beside their places first, then one by one into them.

    Raises
    ------
    QueryError
        If one cannot be written.
    """
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in files}
    try:
        for path, content in files.items():
            with beside[path].open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        for path in files:
            if path.is_dir():
                raise IsADirectoryError(0, "it is a folder")
        for path, written in beside.items():
            written.replace(path)
    except OSError as error:
        raise QueryError(f"{path}: expected a place to write to, got: {error.strerror}") from error
    finally:
        for written in beside.values():
            written.unlink(missing_ok=True)


def _asset(name: str) -> str:
    text = (static_dir() / name).read_text("utf-8")
    return text.replace("</script", r"<\/script")


def _style(name: str) -> str:
    """Return a style sheet without the pictures that Leaflet brings and we do not use."""
    return _PICTURE.sub("none", _asset(name))


def _json(value: Any) -> str:
    """Write JSON that no text inside can end the script element around."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _policy(scripts: list[str], styles: list[str]) -> str:
    """Return a Content-Security-Policy that lets these texts run, and nothing be fetched."""
    names = {"script-src": scripts, "style-src": styles}
    rules = [f"{name} {' '.join(map(_hash, texts))}" for name, texts in names.items()]
    return "; ".join(["default-src 'none'", *rules, "img-src data:", "base-uri 'none'",
                      "form-action 'none'"])  # fmt: skip


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
