import ShardKit
import Testing

@Suite struct JSONSlicesTests {
  private func elements(_ json: String) -> [String] {
    Array(json.utf8).withUnsafeBytes { JSONArraySlices($0).map { String(decoding: $0, as: UTF8.self) } }
  }

  @Test func cutsAnArrayIntoItsElements() {
    #expect(
      elements(#" [ {"a":"],}\"{"} , [1,[2]],"x\\",7 , null]"#) == [
        #"{"a":"],}\"{"} "#, "[1,[2]]", #""x\\""#, "7 ", "null",
      ])
    #expect(elements("[]") == [])
    #expect(elements("") == [] && elements("{}") == [] && elements("[") == [])
    #expect(elements(#"[{"a":1"#) == [#"{"a":1"#])
    #expect(elements(#"["open\"#) == [#""open\"#])
  }
}
