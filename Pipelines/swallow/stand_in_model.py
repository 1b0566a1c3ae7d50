"""Stands in for a language model, to try Pipelines/tiny/swallowcode.json and swallowmath.json without one.

usage: python3 stand_in_model.py [PORT]    (8000; 0: any free one)

Answers OpenAI's chat completions at http://localhost:PORT/v1 by rules: a program between ``` is written anew by Python's
own formatter of syntax trees, without its comments; a question with a JSON Schema gets the greatest number that it
allows if the text calculates, else the least; other texts come back with their white space in order, or as NONE if they do
not calculate. It needs nothing but Python.
"""

import ast
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "stand-in"


def calculates(text):
    return re.search(r"\d\s*[-+*/=^]|=\s*\d", text) is not None


def filled(schema, text):
    """A value that follows the schema."""
    kind = schema.get("type")
    if kind == "object":
        return {key: filled(inner, text) for key, inner in schema.get("properties", {}).items()}
    if kind in ("integer", "number"):
        return schema.get("maximum", 1) if calculates(text) else schema.get("minimum", 0)
    return schema["enum"][0] if "enum" in schema else text[:80]


def answer(request):
    text = request["messages"][-1]["content"]
    form = request.get("response_format", {})
    if form.get("type") == "json_schema":
        # The question has numbers of its own.
        text = text.partition("The text:\n\n")[2] or text
        return json.dumps(filled(form["json_schema"]["schema"], text))
    block = re.search(r"```\w*\n(.*)```", text, re.DOTALL)
    if block:
        return f"Reviewed.\n\n```python\n{ast.unparse(ast.parse(block.group(1)))}\n```"
    return "\n".join(" ".join(line.split()) for line in text.splitlines()) if calculates(text) else "NONE"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": NAME, "object": "model"}]})
        else:
            self.reply(404, {"error": {"message": f"{self.path} is not here"}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            said = answer(json.loads(body))
        except (KeyError, IndexError, TypeError, ValueError, SyntaxError) as error:
            self.reply(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
            return
        counts = {"prompt_tokens": len(body) // 4, "completion_tokens": len(said) // 4}
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        self.reply(200, {"object": "chat.completion", "model": NAME, "choices": [choice], "usage": counts})

    def reply(self, status, value):
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()
