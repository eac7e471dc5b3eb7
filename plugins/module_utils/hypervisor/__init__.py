# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs guests on one node: libvirt and QEMU, LXC, and the interfaces they are attached by."""
