# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills: something is broken on purpose, and what clients saw of it is told: times, double runs, writes lost."""
