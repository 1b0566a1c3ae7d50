import Testing

@testable import MarkupKit
@testable import ShardKit

/// Notes all events.
private final class EventNotes: XMLEvents {
  var notes: [String] = []
  var stopsAt: String?
  weak var parser: XMLPushParser?

  func start(_ tag: XMLStartTag) {
    let prefix = tag.prefix.map { $0.string + "=" + (tag.space?.string ?? "?") + ":" } ?? ""
    let attributes = (0..<tag.attributes.count).compactMap { tag.attributes.attribute($0) }
      .map { " \($0.name.string)=\(String(decoding: $0.value, as: UTF8.self))" }
    notes.append("<\(prefix)\(tag.name.string)\(attributes.joined()) \(tag.depth)>")
    if tag.name.string == stopsAt { parser?.stop() }
  }

  func end(_ name: XMLName, depth: Int) { notes.append("</\(name.string) \(depth)>") }
  func text(_ bytes: UnsafeBufferPointer<UInt8>) { notes.append(String(decoding: bytes, as: UTF8.self)) }
  func entity(_ name: XMLName) { notes.append("&\(name.string);") }
}

@Suite struct XMLPushParserTests {
  private func read(
    _ text: String, _ policy: XMLPolicy = XMLPolicy(), stopsAt: String? = nil
  ) -> (notes: [String], fault: XMLFault?) {
    let events = EventNotes()
    let parser = XMLPushParser(events, policy: policy)
    (events.parser, events.stopsAt) = (parser, stopsAt)
    parser.parse(Array(text.utf8))
    return (events.notes, parser.fault)
  }

  @Test func events() {
    let (notes, fault) = read(
      "<!DOCTYPE a SYSTEM 'a.dtd'><a x='1'><s:b xmlns:s='http://x/' s:y=\"\"/>t&eacute;<![CDATA[<]]></a>")
    #expect(fault == nil)
    #expect(
      notes == ["<a x=1 1>", "<s=http://x/:b y= 2>", "</b 2>", "t", "&eacute;", "<", "</a 1>"])
  }

  @Test func aReaderStopsTheParser() {
    let (notes, fault) = read("<a><b>x</b><c/></a>", stopsAt: "b")
    #expect(notes == ["<a 1>", "<b 2>"] && fault == nil)
  }

  @Test(
    "Faults have a cause, and a line where libxml2 gives one",
    arguments: [
      ("<a>\n<b></a>", 2, "Opening and ending tag mismatch: b line 2 and a"),
      ("<a/><b/>", 1, "Extra content at the end of the document"),
      ("<a><a><a><a></a></a></a></a>", 0, "elements are nested more than 3 deep"),
      ("<a xmlns:a='a' xmlns:b='b'><b xmlns:c='c'/></a>", 0, "more than 2 namespaces are declared at once"),
      ("<!DOCTYPE a [<!ENTITY e 'x'>]><a/>", 0, "it declares entities, which are not expanded"),
      ("<!DOCTYPE a [<!ATTLIST a b CDATA 'x'>]><a/>", 0, "it declares attributes"),
      ("<!DOCTYPE a SYSTEM 'a'><a>&e;</a>", 0, "it refers to an entity that is not declared"),
    ])
  func faults(_ text: String, _ line: Int, _ message: String) {
    let policy = XMLPolicy(
      maximumDepth: 3, maximumNamespaces: 2, refusesEntityDeclarations: true, refusesReferences: true,
      refusesAttributeDeclarations: true)
    let fault = read(text, policy).fault
    #expect(fault?.line == line && fault?.message == message)
  }

  @Test func attributesAreBounded() {
    let tag = "<a " + (0...XMLTagBound.maximumAttributes).map { "a\($0)='' " }.joined() + "/>"
    #expect(read(tag).fault?.cause == .tooManyAttributes)
    #expect(read(tag, XMLPolicy(boundsAttributes: false)).fault == nil)
  }

  /// Namespaces are counted by scope, not by document.
  @Test func namespacesEndWithTheirElement() {
    let elements = String(repeating: "<b xmlns:c='c'/>", count: 9)
    #expect(read("<a>\(elements)</a>", XMLPolicy(maximumNamespaces: 1)).fault == nil)
  }
}
