"""What the settings of an inventory may say: one law for the form that takes them and the cloud that reads them."""

import re
from collections.abc import Mapping, Sequence

KEYS: Mapping[str, Sequence[str]] = {
    "static": ("hosts",),
    "aws": ("region", "tags", "address", "name_tag", "group_tag", "launch_template", "endpoint_url", "page_size"),
    "gcp": ("project", "labels", "address", "group_label", "endpoint_url", "page_size"),
    "azure": ("subscription", "tags", "resource_group", "address", "group_tag", "endpoint_url", "authority_url"),
    "ansible": ("file", "program", "groups", "host_groups"),
}
# Of one host of a fixed list.
HOST_KEYS = ("name", "address", "port", "group")
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\Z")
# Of a file or program in the inventory directory.
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
