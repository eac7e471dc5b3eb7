#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster secrets a node holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_info
short_description: Read the cluster secrets a node holds
version_added: 0.1.0
description:
  - Reads C(/etc/drover/secrets). Run it with C(no_log), the result is secret.
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Look for secrets to adopt
  cspp.drover.secrets_info:
  register: held
  no_log: true
"""

RETURN = r"""
secrets:
  description: Contents by file name; a secret the node does not hold is missing.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.trust.keyfiles import SECRETS


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    held = {file.name: file.read_text() for file in SECRETS.glob("*") if file.is_file()} if SECRETS.is_dir() else {}
    module.exit_json(changed=False, secrets=held)


if __name__ == "__main__":
    main()
