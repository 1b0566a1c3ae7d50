import ShardKit
import Testing

@Suite struct MetadataReaderTests {
  private func values(_ paths: [String], _ json: String) -> [String?] {
    let reader = MetadataReader(paths)
    var slices: [UnsafeRawBufferPointer?] = Array(repeating: nil, count: paths.count)
    reader.read(Array(json.utf8)) { path, value, _ in slices[path] = value }
    return slices.map { $0.map { String(decoding: $0, as: UTF8.self) } }
  }

  @Test func findsNestedValuesOfSeveralObjectsAtOnce() {
    let json = #"{"a":{"x":1,"y":{"z":"日\n本"}},"b":{"x":2.50},"c":"\u3042","d":[1]}"#
    #expect(
      values(["a.x", "b.x", "a.y.z", "c", "d", "b", "e", "c.x"], json)
        == ["1", "2.50", "日\n本", "あ", "[1]", #"{"x":2.50}"#, nil, nil])
  }

  @Test(arguments: ["", "[]", "{", "null", #"{"a":}"#])
  func whatIsNoObjectHasNoValues(_ json: String) { #expect(values(["a"], json) == [nil]) }

  @Test func metadataMayBeLong() {
    let filler = String(repeating: "長", count: 5000)
    #expect(values(["k"], #"{"f":"\#(filler)","k":7}"#) == ["7"])
  }
}
