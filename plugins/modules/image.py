#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build the images that guests are made from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Build the images that guests are made from
version_added: 0.1.0
description:
  - Builds images of virtual machines and root file systems of containers from Debian packages, with the node's own
    mirrors and proxy, unless they are in the cache already.
  - An image's folder is named after the content of its recipe. A changed recipe makes a new image; guests made from the
    old one keep what they have.
options:
  directory:
    description: The cache, a directory that all nodes see.
    type: path
    required: true
  wanted:
    description: The images to build.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The image's name.
        type: str
        required: true
      kind:
        description: The kind of guest it is for.
        type: str
        choices: [vm, container]
        required: true
      fresh:
        description: Whether something new is to be made from it, for which it must not be older than O(max_age).
        type: bool
        default: false
  max_age:
    description: Seconds after which an image is built once more, with the packages of the day; V(0) is never.
    type: float
    default: 0
  recipes:
    description: Drover's own recipes, by name and kind; see role images.
    type: dict
    required: true
  custom:
    description: Recipes that change these or add to them, by name and kind.
    type: dict
    default: {}
requirements: [mmdebstrap, e2fsprogs, fdisk, qemu-utils]
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells which images would be built, and where each would be.
  diff_mode:
    description: Lists images before and after.
"""

EXAMPLES = r"""
- name: Build what the guests need
  cspp.drover.image:
    directory: /srv/drover/shared/images
    wanted: [{name: debian-13, kind: container}]
    recipes: "{{ __images_recipes }}"
"""

RETURN = r"""
images:
  description:
    - The wanted images, by kind and name. Paths in C(files) are relative to C(path).
  type: dict
  returned: always
  sample:
    container/debian-13:
      name: debian-13
      kind: container
      boot: rootfs
      suite: trixie
      hash: 3f0c8d52e19b
      path: /srv/drover/shared/images/debian-13-3f0c8d52e19b
      files: {rootfs: rootfs.tar}
built:
  description: Those that were (in check mode would be) built, with the seconds it took.
  type: dict
  returned: always
  sample: {container/debian-13: 17.2}
"""

import time
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.images.builder import ImageBuilder
from ansible_collections.cspp.drover.plugins.module_utils.images.recipe import recipes, select


def main() -> None:
    image = {
        "name": {"type": "str", "required": True},
        "kind": {"type": "str", "choices": ["vm", "container"], "required": True},
        "fresh": {"type": "bool", "default": False},
    }
    module = QuietModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "wanted": {"type": "list", "elements": "dict", "options": image, "required": True},
            "max_age": {"type": "float", "default": 0},
            "recipes": {"type": "dict", "required": True},
            "custom": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    builder = ImageBuilder(Path(params["directory"]))
    with fail_on_error(module):
        wanted = select(recipes(params["recipes"], params["custom"]), params["wanted"])
        fresh = {f"{each['kind']}/{each['name']}" for each in params["wanted"] if each["fresh"] and params["max_age"]}
        missing = {
            key: recipe
            for key, recipe in wanted.items()
            if not builder.find(recipe) or (key in fresh and builder.aged(recipe, params["max_age"]))
        }
    built: dict[str, float] = {}
    remedy = "Nothing is left of it: mend this and run again."
    with fail_on_error(module, what="Building an image failed", remedy=remedy):
        for key, recipe in missing.items():
            start = time.monotonic()
            if module.check_mode or builder.build(recipe, max_age=params["max_age"] if key in fresh else None):
                built[key] = round(time.monotonic() - start, 1)
    have = sorted(recipe.folder for key, recipe in wanted.items() if key not in missing)
    module.exit_json(
        changed=bool(built),
        images={key: builder.find(recipe) or builder.expect(recipe) for key, recipe in wanted.items()},
        built=built,
        diff={"before": {"images": have}, "after": {"images": sorted(recipe.folder for recipe in wanted.values())}},
    )


if __name__ == "__main__":
    main()
