import ShardKit
import Testing

@testable import NetKit

/// What servers say when they do not answer. The sentences are those of the servers named.
@Suite struct ChatReadingTests {
  private static func reading(_ status: Int, _ body: String) throws -> ChatReading {
    let head = HTTPResponse.Head(status: status, reason: "", version: "1.1")
    var response = HTTPResponse(head: head, url: try WebURL("https://h.example/v1"))
    response.body = Array(body.utf8)
    return ChatReading(response, body: response.body)
  }

  private static func name(_ reading: ChatReading) -> String {
    switch reading {
    case .answer(let answer, _): answer.ending.rawValue
    case .busy: "busy"
    case .fault: "fault"
    case .rejected: "rejected"
    case .tooLong: "too-long"
    case .hopeless: "hopeless"
    }
  }

  @Test(arguments: [
    // OpenAI
    (400, #"{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}"#),
    // vLLM, two versions
    (
      400,
      #"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5","type":"BadRequestError","code":400}"#
    ),
    (
      400,
      #"{"error":{"message":"The decoder prompt (length 9) is longer than the maximum model length of 4.","type":"BadRequestError","code":400}}"#
    ),
    // SGLang, llama.cpp, TGI, Gemini
    (400, #"{"message":"The input (9 tokens) is longer than the model's context length (4 tokens)."}"#),
    (400, #"{"error":{"code":400,"message":"exceeds","type":"exceed_context_size_error"}}"#),
    (
      422,
      #"{"error":"Input validation error: `inputs` must have less than 4 tokens. Given: 9","error_type":"validation"}"#
    ),
    (
      400,
      #"{"error":{"message":"The input token count (9) exceeds the maximum number of tokens allowed (4).","code":400}}"#
    ),
    (413, #"{"detail":[{"loc":["body"],"msg":"the prompt is too long"}]}"#),
  ])
  func aRequestMayBeTooLong(_ status: Int, _ body: String) throws {
    #expect(Self.name(try Self.reading(status, body)) == "too-long")
  }

  /// A server may repeat the prompt, which may be about anything; and what a status says counts first.
  @Test(arguments: [
    (
      422, #"{"detail":[{"loc":["body","stop"],"msg":"not a list","input":"the context window, content_filter"}]}"#,
      "rejected"
    ),
    (400, "<html>the maximum context length</html>", "rejected"),
    (400, #"{"error":{"message":"no: 'our content management policy'","code":"invalid_value"}}"#, "rejected"),
    (400, #"{"error":{"message":"flagged","code":"content_filter"}}"#, "filtered"),
    (400, #"{"error":{"message":"flagged","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#, "filtered"),
    (400, #"{"error":{"message":"about context length","code":"content_filter"}}"#, "filtered"),
    (500, #"{"error":{"message":"the context window"}}"#, "fault"),
    (503, #"{"error":{"message":"context_length_exceeded","code":"context_length_exceeded"}}"#, "fault"),
    (401, #"{"error":{"message":"no key for this context window"}}"#, "hopeless"),
    (
      429,
      #"{"error":{"message":"Rate limit. Add a payment method at /account/billing","code":"rate_limit_exceeded"}}"#,
      "busy"
    ),
    (429, #"{"error":{"message":"Too many tokens; the context window is free again in 1 s"}}"#, "busy"),
    (429, #"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#, "hopeless"),
    (429, #"{"error":{"message":"OpenAIException - You exceeded your current quota"}}"#, "hopeless"),
    (400, #"{"error":{"message":"x","code":"model_not_found"}}"#, "hopeless"),
  ])
  func otherRefusals(_ status: Int, _ body: String, _ name: String) throws {
    #expect(Self.name(try Self.reading(status, body)) == name, "\(body)")
  }

  @Test func aListOfProblemsIsShownWithoutTheRequest() throws {
    let body = #"{"detail":[{"loc":["body","n",0],"msg":"should be 1","input":"secret"},{"msg":"and more"}]}"#
    guard case .rejected(let why, _) = try Self.reading(422, body) else { return #expect(Bool(false)) }
    #expect(why == "the server responded with 422: body.n.0: should be 1; and more")
  }
}
