import Testing

@testable import MarkupKit
@testable import ShardKit

/// Pages and damage come in the order of the dump, whatever the pieces that it is read in.
@Suite struct WikiDumpReaderTests {
  private func page(_ title: String, _ text: String = "text") -> String {
    "<page><title>\(title)</title><id>1</id><revision><text>\(text)</text></revision></page>"
  }

  private func items(_ dump: String, isFragment: Bool = false, isLast: Bool = true) throws -> [String] {
    let reader = WikiDumpReader(
      MemorySource(Array(dump.utf8)), isFragment: isFragment, isLast: isLast, maximumPageBytes: 1 << 20)
    var items: [String] = []
    while let item = try reader.next() {
      switch item {
      case .page(let page): items.append(string(page.title) + "=" + String(decoding: page.text.bytes, as: UTF8.self))
      case .damage(let damage): items.append("\(damage.kind) \(damage.page.map { string($0.title) } ?? "between")")
      }
    }
    return items
  }

  private func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test func pagesInOrder() throws {
    let pages = (0..<50).map { page("\($0)", "t\($0)") }.joined()
    let expected = (0..<50).map { "\($0)=t\($0)" }
    #expect(try items("<mediawiki>\(pages)</mediawiki>") == expected)
    #expect(try items("\n \(pages)</mediawiki>") == expected)
    #expect(try items(pages, isFragment: true, isLast: false) == expected)
  }

  @Test func damageComesBetweenItsNeighbors() throws {
    let dump = "<mediawiki>\(page("a"))\(page("b", "<b"))\(page("c"))\(page("d"))</wiki>\(page("e"))"
    #expect(
      try items(dump) == ["a=text", "damaged b", "c=text", "d=text", "damaged between", "e=text", "truncated between"])
  }

  @Test func aDumpThatEndsInAPage() throws {
    let dump = "<mediawiki>\(page("a"))\(page("b").prefix(40))"
    #expect(try items(dump) == ["a=text", "truncated b"])
    #expect(try items("<mediawiki>\(page("a"))", isLast: false) == ["a=text"])
  }

  /// Pages that are used again keep nothing of earlier ones.
  @Test func pagesAreCleared() throws {
    let full =
      "<page><title>a</title><ns>1</ns><id>2</id><redirect title=\"b\"/><revision><id>3</id><timestamp>4</timestamp>"
      + "<model>m</model><text>x<br/></text></revision></page>"
    let reader = WikiDumpReader(
      MemorySource(Array("<mediawiki>\(full)<page><title>b</title></page></mediawiki>".utf8)), isFragment: false,
      isLast: true, maximumPageBytes: 1 << 20)
    guard case .page(let first)? = try reader.next() else {
      Issue.record("no page")
      return
    }
    #expect(first.isRedirect && first.textElements == 1 && first.model == Array("m".utf8))
    guard case .page(let second)? = try reader.next() else {
      Issue.record("no page")
      return
    }
    #expect(string(second.title) == "b" && !second.isRedirect && second.textElements == 0 && second.text.count == 0)
    #expect(second.id + second.namespace + second.revision + second.timestamp + second.model == [])
    if let _ = try reader.next() { Issue.record("a third item") }
  }
}
