"""A stand-in for a language model behind an OpenAI-compatible endpoint: what it says follows from the user's message.

Rules are tried in order; the first whose `match` the message contains decides. Its `steps` are taken one per request
with the same message, and the last one stays. A step is one of misbehaving-server, or has `say` (the answer's text, with
{text} for the message and {attempt} for the number of the request) with `finish`, `refusal`, `usage` ([input, output] or
null). Without a fitting rule the answer is the message itself. Without `usage` a token is a byte.
"""
import json


class Model:
    def __init__(self, rules=(), key=None, model="test-model"):
        self.rules, self.key, self.model, self.asked = list(rules), key, model, {}

    def answer(self, target, headers, body):
        sent = headers.get("authorization", "")
        if self.key is not None and sent != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {sent}", "invalid_api_key")
        if target.split("?")[0] == "/v1/models":
            return {"body": json.dumps({"object": "list", "data": [{"id": self.model, "object": "model"}]})}
        if target.split("?")[0] != "/v1/chat/completions":
            return error(404, "no such path", "not_found")
        request = json.loads(body)
        if request["model"] != self.model:
            return error(404, f"The model `{request['model']}` does not exist.", "model_not_found")
        message = request["messages"][-1]["content"]
        number = self.asked[message] = self.asked.get(message, 0) + 1
        steps = next((rule["steps"] for rule in self.rules if rule["match"] in message), [{}])
        step = steps[min(number, len(steps)) - 1]
        plain = not step.keys() & {"status", "body", "raw", "silent", "size", "endless"}
        return step | completion(request, message, number, step, len(body)) if plain else step


def completion(request, message, number, step, size):
    said = step.get("say", "{text}").replace("{text}", message).replace("{attempt}", str(number))
    reply = {"role": "assistant", "content": None if "refusal" in step else said}
    if "refusal" in step:
        reply["refusal"] = step["refusal"]
    counted = step.get("usage", [size, len(said.encode())])
    answer = {
        "id": "chat-1", "object": "chat.completion", "model": request["model"],
        "choices": [{"index": 0, "message": reply, "finish_reason": step.get("finish", "stop")}],
    }
    if counted is not None:
        answer["usage"] = {"prompt_tokens": counted[0], "completion_tokens": counted[1], "total_tokens": sum(counted)}
    return {"body": json.dumps(answer, ensure_ascii=False), "headers": {"Content-Type": "application/json"}}


def error(status, message, code):
    return {"status": status, "body": json.dumps({"error": {"message": message, "type": "error", "code": code}})}
