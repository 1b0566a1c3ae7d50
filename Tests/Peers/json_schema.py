"""What the package jsonschema says of values: usage: json_schema.py FILE, with [[schema, [value, …]], …] in it."""
import json, sys

from jsonschema import Draft202012Validator

if len(sys.argv) > 1:
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    print(json.dumps([[Draft202012Validator(schema).is_valid(value) for value in values] for schema, values in cases]))
