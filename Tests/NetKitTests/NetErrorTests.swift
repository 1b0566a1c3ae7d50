import NetKit
import Testing

@Suite struct NetErrorTests {
  @Test func theSentenceSaysWhereWhatAndWhatNext() {
    let error = NetError(
      .status, "https://example.org/a", "the server answered 410", hint: "The page is gone for good.")
    #expect("\(error)" == "https://example.org/a: the server answered 410. The page is gone for good.")
  }
}
