import PipelineKit
import ShardKit
import TestKit

@testable import NetKit
@testable import Stages

/// What a language model's endpoint answers, and what users write to ask it.
let inferTargets: [String: FuzzTarget] = [
  "chat-answer": choosing(
    4,
    samples: [
      #"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
      #"{"choices":[{"message":{"content":null,"refusal":"no"},"finish_reason":"content_filter"}]}"#,
      #"{"error":{"message":"maximum context length","code":"context_length_exceeded"}}"#, #"{"detail":"no"}"#,
    ],
    words: [
      "\"usage\":", "9223372036854775807", "-1", "\"content\":", "null", "sk-key", "sk\\u002dkey", "\"error\":", "[]",
      "1e9",
    ]
  ) { choice, input in
    let endpoint = try ChatEndpoint(
      base: try WebURL("https://h.example/v1"), key: EndpointKey("sk-key", described: "the key"), maximumBytes: 1 << 20,
      seconds: 1)
    let head = HTTPResponse.Head(status: [200, 400, 429, 503][choice], reason: "", version: "1.1")
    var response = HTTPResponse(head: head, url: endpoint.url)
    response.body = input
    let reading = endpoint.reading(response)
    promise(!"\(reading)".contains("sk-key"), "the key is nowhere")
  },
  "model-answer": choosing(
    3,
    samples: [
      "```json\n{\"score\": 3}\n```", "<think>a</think>\n```python\nx\n```\n", "````\r\n```\r\n````",
      "{\"a\": [1, 2.0]}",
    ],
    words: ["```", "\n", "\r\n", "</think>", "{", "}", "\"score\":", "   ", "`"]
  ) { choice, input in
    let schema = try JSONSchema(try JSONValue.parse(#"{"properties":{"score":{"maximum":5}}}"#).value)
    let form = InferEndpoint.AnswerForm.allCases[choice]
    let reader = AnswerReader(form: form, schema: form == .json ? schema : nil, reasoningEnd: "</think>")
    if case .text(let text) = reader.read(String(decoding: input, as: UTF8.self)), text.isEmpty {
      promise(false, "an empty text is no answer")
    }
  },
  "prompt": textReader(
    samples: ["{id}: {text} {metadata.a.b|none} {{x}}", "{metadata.a}"],
    words: ["{", "}", "{{", "}}", "|", "metadata.", "text", "."]
  ) { input in
    let template = try PromptTemplate(String(decoding: input, as: UTF8.self), option: "prompt")
    let document = Document(id: "1", text: "t", metadata: ["a": ["b": 1]])
    _ = PromptFiller([template]).fill(document, text: document.text[...])
  },
  "json-schema": textReader(
    samples: [
      ##"{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"enum":[1]}},"required":["a"]}"##,
      #"{"anyOf":[{"minLength":1},{"items":{"not":{}}}],"additionalProperties":false}"#,
    ],
    words: [
      ##""$ref":"#""##, #""allOf":["#, #""oneOf":["#, #""const":"#, #""multipleOf":"#, "1e-300", ##""#/$defs/b""##,
    ]
  ) { input in
    let schema = try JSONSchema(try JSONValue.parse(input).value)
    for value in ["{\"a\":1}", "[[],\"x\",1.5]", "null"] { _ = schema.problem(in: try JSONValue.parse(value).value) }
  },
]
