# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: which images there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.cspp.drover.plugins.module_utils.images import recipe


def image_catalogue(own: dict[str, Any], users: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By name and kind of guest, how a guest boots from the image: see module_utils/images/recipe.py."""
    try:
        return recipe.catalogue(own, users)
    except recipe.RecipeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """cspp.drover.image_catalogue."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"image_catalogue": image_catalogue}
