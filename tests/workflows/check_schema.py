#!/usr/bin/python3
"""check_schema.py SCHEMA FILE... - each FILE against the JSON Schema of workflow files.

A file under a folder `bad` must be refused, unless a comment at its top says
`# schema: cannot tell`: then the schema must accept it (so that the comment stays true).
Every other file must be accepted.  Prints what is otherwise; exit status 1 then.
"""
import json
import os
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML's core schema, as Settle reads it: PyYAML's own has yes, no and dates."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), first)
Loader.add_constructor("tag:yaml.org,2002:int", lambda l, n: int(l.construct_scalar(n)))
Loader.add_constructor("tag:yaml.org,2002:float", lambda l, n: float(l.construct_scalar(n)))


class Strict(Loader):
    """Refuses what Settle refuses before it looks at the contents."""

    def compose_node(self, parent, index):
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError("an anchor or an alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.YAMLError("a key is repeated")
        return super().construct_mapping(node, deep)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    wrong = 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            problem = jsonschema.exceptions.best_match(
                validator.iter_errors(yaml.load(text, Loader=Strict))
            )
        except yaml.YAMLError as error:
            problem = error
        bad = os.path.basename(os.path.dirname(path)) == "bad"
        refuse = bad and "# schema: cannot tell" not in text
        if refuse != (problem is not None):
            wrong += 1
            print(f"{path}: {'not refused' if refuse else 'refused'}: {problem}")
    print(f"{len(sys.argv) - 2} files, {wrong} wrong")
    return 1 if wrong > 0 or len(sys.argv) < 3 else 0


sys.exit(main())
