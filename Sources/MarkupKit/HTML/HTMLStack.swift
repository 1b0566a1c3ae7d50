/// The open elements, with what each means for the text within it.
///
/// Only elements that matter are kept. Every lookup takes constant time, so that pages whose elements are never closed,
/// or closed in any order, cost no more than others.
struct HTMLStack {
  struct Frame {
    var name: HTMLName
    var around: HTMLBlocks.Surroundings
    /// Its text is hidden, or is not text.
    var hides = false
    var skips = false
    /// Its markup follows other rules.
    var isForeign = false
    /// Its number among the elements that hide their content.
    var covering: Int?
    /// The previous one with the same name; the innermost ones that separate blocks, and that isolate their content.
    fileprivate(set) var sameName = -1
    fileprivate(set) var block = -1
    fileprivate(set) var barrier = -1
  }

  private(set) var frames: [Frame] = []
  private var known = [Int](repeating: -1, count: Int(HTMLName.known))
  private var unknown: [UInt32: Int] = [:]
  /// Number of open elements per name beyond the maximum depth.
  private var beyond: [UInt32: Int] = [:]

  /// Deeper elements begin and end blocks, but have no other effect.
  static let maximumDepth = 4096

  init() { frames.reserveCapacity(64) }

  var top: Frame? { frames.last }
  var count: Int { frames.count }
  /// The innermost element that separates blocks.
  var block: Int { frames.last?.block ?? -1 }
  /// The innermost table, cell or caption: end tags within it do not close anything outside.
  var barrier: Int { frames.last?.barrier ?? -1 }

  /// The innermost open element with a name, or -1.
  func last(_ number: UInt32) -> Int {
    number < HTMLName.known ? known[Int(number)] : unknown.isEmpty ? -1 : unknown[number] ?? -1
  }

  /// - Returns: false if it is too deep to be kept.
  mutating func push(_ frame: Frame) -> Bool {
    guard frames.count < Self.maximumDepth else {
      beyond[frame.name.number, default: 0] += 1
      return false
    }
    var frame = frame
    let place = frames.count
    frame.sameName = last(frame.name.number)
    frame.block = frame.name.element.isBlock ? place : block
    frame.barrier = frame.name.element.isBarrier ? place : barrier
    setLast(frame.name.number, place)
    frames.append(frame)
    return true
  }

  mutating func pop() -> Frame {
    let frame = frames.removeLast()
    // Elements that were too deep were within it.
    if !beyond.isEmpty { beyond.removeAll(keepingCapacity: true) }
    setLast(frame.name.number, frame.sameName)
    return frame
  }

  /// Whether an end tag belongs to an element that was too deep.
  mutating func endsBeyond(_ number: UInt32) -> Bool {
    guard !beyond.isEmpty, let count = beyond[number] else { return false }
    beyond[number] = count > 1 ? count - 1 : nil
    return true
  }

  private mutating func setLast(_ number: UInt32, _ place: Int) {
    if number < HTMLName.known {
      known[Int(number)] = place
    } else {
      unknown[number] = place < 0 ? nil : place
    }
  }
}

extension HTMLElement {
  fileprivate var isBarrier: Bool { self == .table || self == .cell || self == .caption }
}
