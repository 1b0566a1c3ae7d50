import MarkupKit
import PipelineKit
import ShardKit

/// The second phase of `diet.read`: the meetings of one bucket.
struct DietJoinTask {
  private struct Speech {
    var document: Document
    var order: Int
    var isHeader: Bool
    /// Index among the bucket's speeches as read: page order.
    var place: Int
  }

  private let options: DietRead.Options
  private let workspace: Workspace
  private let output: DocumentOutput

  init(_ options: DietRead.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    output = try workspace.documents(to: DietRead.documents)
  }

  func run() throws {
    var speeches = try dropRepeated(read())
    speeches.sort { a, b in
      let (x, y) = (a.document, b.document)
      if x.version != y.version { return x.version.lexicographicallyPrecedes(y.version) }
      return a.order != b.order ? a.order < b.order : x.id.lexicographicallyPrecedes(y.id)
    }
    var start = 0
    while start < speeches.count {
      var end = start
      while end < speeches.count && speeches[end].document.version == speeches[start].document.version { end += 1 }
      try write(meeting: speeches[start..<end])
      start = end
    }
  }

  private func read() throws -> [Speech] {
    var out: [Speech] = []
    let stream = workspace.documents()
    while let document = try stream.next() {
      let fields = (try? JSONValue.parse(document.metadata).value) ?? .null
      let order = fields["speechOrder"]?.integer ?? 0
      let isHeader = order == 0 && fields["speaker"]?.string == "会議録情報"
      out.append(Speech(document: document, order: order, isHeader: isHeader, place: out.count))
    }
    return out
  }

  /// Pages overlap if minutes were added while they were fetched: of a speech's copies the newest is kept.
  private func dropRepeated(_ speeches: [Speech]) throws -> [Speech] {
    let ordered = speeches.sorted { a, b in
      let (x, y) = (a.document, b.document)
      if x.id != y.id { return x.id.lexicographicallyPrecedes(y.id) }
      return x.created != y.created ? y.created.lexicographicallyPrecedes(x.created) : a.place < b.place
    }
    var kept: [Speech] = []
    for speech in ordered {
      if let last = kept.last, last.document.id == speech.document.id {
        let id = self.id(speech.document.id)
        try workspace.drop(id: id, bytes: speech.document.text.count, DropReason("repeated-speech", survivor: id))
      } else {
        kept.append(speech)
      }
    }
    return kept
  }

  private func write(meeting speeches: ArraySlice<Speech>) throws {
    var kept: [Speech] = []
    for speech in speeches {
      if speech.document.text.isEmpty {
        try drop(speech, "empty")
      } else if speech.isHeader && options.header == .drop {
        try drop(speech, "header")
      } else {
        kept.append(speech)
      }
    }
    guard let first = kept.first else { return }
    if options.document == .speech {
      for speech in kept { try output.write(document(speech, text: speech.document.text, id: speech.document.id)) }
      return
    }
    var text: [UInt8] = []
    for speech in kept {
      if !text.isEmpty { text += [10, 10] }
      text += speech.document.text
    }
    try output.write(document(first, text: text, id: first.document.version))
    for speech in kept.dropFirst() { workspace.merge("meeting", bytes: speech.document.text.count) }
  }

  private func document(_ speech: Speech, text: [UInt8], id: [UInt8]) -> Document {
    var document = Document()
    document.id = self.id(id)
    document.text = text
    document.source = Array(options.source.utf8)
    let fields = (try? JSONValue.parse(speech.document.metadata).value)?.members ?? []
    let keys =
      options.document == .meeting
      ? DietSpeechParser.meetingKeys : DietSpeechParser.meetingKeys + DietSpeechParser.speechKeys
    let names = keys.map(\.description)
    let members = names.compactMap { name in fields.first { $0.key == name && $0.value != .null } }
    document.metadata = Array(JSONValue.object(members).text().utf8)
    return document
  }

  private func drop(_ speech: Speech, _ reason: String) throws {
    try workspace.drop(id: id(speech.document.id), bytes: speech.document.text.count, DropReason(reason))
  }

  private func id(_ id: [UInt8]) -> [UInt8] { DietRead.documentID(id) }
}
