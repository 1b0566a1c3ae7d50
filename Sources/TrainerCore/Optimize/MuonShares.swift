/// Who takes Muon's step for which matrices: each process for its share, which it then gives to the others.
///
/// A process's averages of gradients are those of its share alone until `exchange` makes them whole.
struct MuonShares {
  private let group: ProcessGroup
  /// The parameters' numbers, by process.
  let parameters: [[Int]]

  /// Shares of about equal work: the largest matrices first, each to the process that has the least until then.
  init(_ members: [Int], _ shapes: [ParameterShape], _ group: ProcessGroup) {
    self.group = group
    parameters = Self.shares(members, shapes, of: group.size)
  }

  static func shares(_ members: [Int], _ shapes: [ParameterShape], of processes: Int) -> [[Int]] {
    func work(_ number: Int) -> Double {
      let shape = shapes[number], rows = Double(shape.shape[0] / shape.matrices), columns = Double(shape.shape[1])
      return Double(shape.matrices) * min(rows, columns) * rows * columns
    }
    var shares = [[Int]](repeating: [], count: processes), sums = [Double](repeating: 0, count: processes)
    for number in members.sorted(by: { (-work($0), $0) < (-work($1), $1) }) {
      let process = sums.indices.min { (sums[$0], $0) < (sums[$1], $1) }!
      shares[process].append(number)
      sums[process] += work(number)
    }
    return shares.map { $0.sorted() }
  }

  var own: [Int] { parameters[group.rank] }

  /// Gives every process the tensors of all shares.
  func exchange(_ tensors: TensorList) throws(TorchError) {
    for (process, numbers) in parameters.enumerated() where !numbers.isEmpty {
      try group.broadcast(tensors.only(numbers), from: process)
    }
  }
}
