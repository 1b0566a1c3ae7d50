/// Runs of consecutive samples, each a shard or part of one, in the order of an epoch.
struct ShardSpans {
  struct Span: Equatable {
    var start: Int
    var end: Int
    var count: Int { end - start }
    var range: Range<Int> { start..<end }
  }

  var spans: [Span]

  init(_ shardSamples: [Int]) {
    var start = 0
    spans = shardSamples.map { samples in
      defer { start += samples }
      return Span(start: start, end: start + samples)
    }
  }

  /// Samples of a node.
  func samples(_ node: Range<Int>) -> Int { spans[node].reduce(0) { $0 + $1.count } }

  /// Makes each span refer to the positions that it has in the current order.
  mutating func renumber() { self = ShardSpans(spans.map(\.count)) }

  /// Splits the spans at the boundaries of nodes; node `i` ends at sample `samples * (i + 1) / nodes`.
  /// - Returns: the spans of each node.
  mutating func divide(samples: Int, nodes: Int) -> [Range<Int>] {
    var out: [Span] = []
    out.reserveCapacity(spans.count + nodes)
    var divided: [Range<Int>] = []
    var taken = 0
    var next = 0
    for node in 0..<nodes {
      let first = out.count
      let end = samples * (node + 1) / nodes
      while next < spans.count {
        let span = spans[next]
        if end < taken + span.count {
          if taken < end {
            let cut = span.start + end - taken
            out.append(Span(start: span.start, end: cut))
            spans[next].start = cut
            taken = end
          }
          break
        }
        out.append(span)
        taken += span.count
        next += 1
      }
      divided.append(first..<out.count)
    }
    spans = out
    return divided
  }

  /// Writes the spans' samples one after another.
  func fill(_ ids: UnsafeMutableBufferPointer<UInt32>) {
    var at = 0
    for span in spans {
      for sample in span.range {
        ids[at] = UInt32(sample)
        at += 1
      }
    }
  }

  /// The same, each span shuffled.
  func fillShuffled(_ ids: UnsafeMutableBufferPointer<UInt32>, _ random: inout NumPyRandom) {
    fillShuffled(ids, spans.indices, &random)
  }

  /// The same for the spans of one node.
  func fillShuffled(_ ids: UnsafeMutableBufferPointer<UInt32>, _ node: Range<Int>, _ random: inout NumPyRandom) {
    var at = 0
    for span in spans[node] {
      for i in 0..<span.count { ids[at + i] = UInt32(span.start + i) }
      random.shuffle(UnsafeMutableBufferPointer(rebasing: ids[at..<at + span.count]))
      at += span.count
    }
  }
}
