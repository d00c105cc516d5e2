//! An array of samples for an input: which axis counts them, and what is wrong where none does. Values are never moved
//! to another place: an array whose axes are in another order is refused, however many elements it has.

use crate::tensor::Tensor;
use std::fmt::Write;

/// Why an array holds no samples of an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplesError {
    #[error("an array of shape {given:?} does not fit input `{input}`: {}", expected(given, want))]
    Shape { input: String, given: Vec<usize>, want: Vec<usize> },
    #[error("the array for input `{0}` holds no sample")]
    Empty(String),
    #[error("the array for input `{input}` holds {value}, first at index {index} of its values in order")]
    NotFinite { input: String, value: String, index: usize },
}

/// Cuts `array` into samples of `want`, the shape of input `input`: one, or several along a first axis. Beside them the
/// rows of a last batch that is not complete, which are in none.
///
/// # Errors
/// If the shapes do not fit, or a value is not finite.
pub fn samples(
    array: &Tensor<f32>,
    input: &str,
    want: &[usize],
) -> Result<(Vec<Tensor<f32>>, usize), SamplesError> {
    let given = &array.shape[..];
    let input = || input.to_owned();
    let Some((count, rest)) = fit(given, want) else {
        return Err(SamplesError::Shape { input: input(), given: given.to_vec(), want: want.to_vec() });
    };
    let each: usize = want.iter().product();
    if count == 0 || each == 0 {
        return Err(SamplesError::Empty(input()));
    }
    if let Some(index) = array.data.iter().position(|v| !v.is_finite()) {
        let value = array.data[index].to_string();
        return Err(SamplesError::NotFinite { input: input(), value, index });
    }
    let samples = array.data.chunks_exact(each).take(count).map(|v| Tensor::new(want, v.to_vec()));
    Ok((samples.collect(), rest))
}

/// How many values of an input of shape `want` an array of shape `given` holds, and how many rows of a last incomplete
/// batch are left over; `None` if the array does not fit. Axes of extent one may be left out or added: they move no
/// value.
///
/// ```text
/// input [1, 3, 8, 8]   [n, 3, 8, 8] and [n, 1, 3, 8, 8] hold n, [3, 8, 8] holds one
/// input [4, 10]        a batch: rows are samples, [n, 10] holds n / 4; [n, 4, 10] holds n
/// input [3, 8, 8]      no batch axis: [n, 3, 8, 8] holds n, [3, 8, 8] one
/// input [1, 1, 8, 8]   [n, 8, 8] and [n, 8, 8, 1] hold n as well
/// ```
#[must_use]
pub fn fit(given: &[usize], want: &[usize]) -> Option<(usize, usize)> {
    if given == want {
        return Some((1, 0));
    }
    if let [n, sample @ ..] = given
        && sample == want
    {
        return Some((*n, 0));
    }
    let [batch @ (1..), row @ ..] = want else { return None };
    if row.is_empty() {
        return None;
    }
    if *batch == 1 && (given == row || (given == long(row) && !given.is_empty())) {
        return Some((1, 0));
    }
    match given {
        [n, sample @ ..] if long(sample) == long(row) => Some((n / batch, n % batch)),
        _ => None,
    }
}

/// Axes that are longer than one.
fn long(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&d| d != 1).collect()
}

/// What would fit, and how to get there.
fn expected(given: &[usize], want: &[usize]) -> String {
    let (leading, row) = match want {
        [_, row @ ..] if !row.is_empty() => ("n", row),
        whole => ("n", whole),
    };
    let axes = |first: &str| {
        let rest: Vec<String> = row.iter().map(ToString::to_string).collect();
        format!("({first}, {})", rest.join(", "))
    };
    let mut text = format!("expected {}, n samples along the first axis", axes(leading));
    if let Some(order) = order(given, want) {
        let last = order.len() - 1;
        let images = match order[..] {
            [0, 3, 1, 2] => "; its channels come last, the model's first".to_owned(),
            [0, 2, 3, 1] => "; its channels come first, the model's last".to_owned(),
            [0, ..] if last > 0 => "; its axes are in another order".to_owned(),
            [0, ..] | [] => String::new(),
            [axis, ..] => format!("; its samples lie along axis {axis}"),
        };
        let order: Vec<String> = order.iter().map(ToString::to_string).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "{images}: x.transpose({})", order.join(", "));
    } else if given.iter().skip(1).product::<usize>() == row.iter().product::<usize>() {
        let _ = write!(text, "; if its values are in that order: x.reshape{}", axes("-1"));
    }
    text
}

/// The transposition that makes an array fit, if one does; those of images first.
fn order(given: &[usize], want: &[usize]) -> Option<Vec<usize>> {
    let row = want.get(1..).filter(|row| !row.is_empty())?;
    let rank = row.len() + 1;
    if given.len() != rank {
        return None;
    }
    let fits = |order: &[usize]| order[0] == 0 && order[1..].iter().zip(row).all(|(&from, d)| given[from] == *d);
    if rank == 4 {
        let images = [[0, 3, 1, 2], [0, 2, 3, 1]];
        if let Some(order) = images.iter().find(|o| fits(&o[..])) {
            return Some(order.to_vec());
        }
    }
    // Samples along some axis, the first if that is possible; each axis of the sample in turn takes the first of its
    // length that is left.
    (0..rank).find_map(|samples| {
        let mut order = vec![samples];
        for d in row {
            order.push((0..rank).find(|at| given[*at] == *d && !order.contains(at))?);
        }
        Some(order)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Tensor<f32> {
        Tensor::new(shape, (0..shape.iter().product()).map(|v: usize| v as f32).collect())
    }

    #[test]
    fn the_first_axis_counts_samples() {
        for (given, want, n) in [
            (&[3, 1, 2][..], &[1, 1, 2][..], 3),
            (&[3, 1, 2], &[2, 1, 2], 1),
            (&[1, 2, 3], &[1, 2, 3], 1),
            (&[2, 3], &[1, 2, 3], 1),
            (&[4, 2, 3], &[1, 2, 3], 4),
            (&[4, 1, 2, 3], &[1, 2, 3], 4),
            // Without a batch axis.
            (&[8], &[8], 1),
            (&[5, 8], &[8], 5),
            (&[5, 3, 4, 4], &[3, 4, 4], 5),
            // Axes of one move nothing.
            (&[5, 4, 4], &[1, 1, 4, 4], 5),
            (&[5, 4, 4, 1], &[1, 1, 4, 4], 5),
            (&[4, 4], &[1, 1, 4, 4], 1),
            (&[5], &[1, 1], 5),
            (&[1, 1, 1, 2, 3], &[1, 2, 3], 1),
            (&[4], &[], 4),
            // Rows of a batch, and whole batches.
            (&[9, 4, 10], &[4, 10], 9),
            (&[8, 10], &[4, 10], 2),
        ] {
            let (found, rest) = samples(&array(given), "x", want).unwrap();
            assert_eq!(
                (found.len(), rest),
                (n, usize::from(given == [3, 1, 2] && want[0] == 2)),
                "{given:?} as {want:?}"
            );
            let each: usize = want.iter().product();
            assert!(found.iter().all(|t| t.shape[..] == *want));
            assert_eq!(found[n - 1].data[each - 1], (n * each - 1) as f32);
        }
    }

    #[test]
    fn another_order_is_refused_with_a_way_out() {
        for (given, want, says) in [
            (
                &[7, 32, 32, 3][..],
                &[1, 3, 32, 32][..],
                "expected (n, 3, 32, 32), n samples along the first axis; its channels come last, the model's first: x.transpose(0, 3, 1, 2)",
            ),
            (&[7, 3, 32, 32], &[1, 32, 32, 3], "the model's last: x.transpose(0, 2, 3, 1)"),
            (&[7, 4, 5], &[1, 5, 4], "another order: x.transpose(0, 2, 1)"),
            (&[7, 784], &[1, 1, 28, 28], "if its values are in that order: x.reshape(-1, 1, 28, 28)"),
            (&[7, 16], &[1, 17], "expected (n, 17)"),
            (&[30, 7], &[1, 30], "its samples lie along axis 1: x.transpose(1, 0)"),
            (&[8, 8, 3, 50], &[1, 3, 8, 8], "its samples lie along axis 3: x.transpose(3, 2, 0, 1)"),
            (&[3, 2], &[1, 2, 3], "expected (n, 2, 3)"),
            (&[5, 9], &[8], "expected (n, 8)"),
            (&[16], &[8], "expected (n, 8)"),
            (&[], &[8], "does not fit"),
        ] {
            let error = samples(&array(given), "x", want).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(&format!("{given:?}")), "{error}");
        }
        for (given, want) in [(&[0, 2, 3][..], &[1, 2, 3][..]), (&[1, 2, 3], &[4, 2, 3])] {
            assert!(matches!(samples(&array(given), "x", want), Err(SamplesError::Empty(_))), "{given:?}");
        }
    }

    #[test]
    fn values_that_are_no_numbers_are_refused() {
        for value in [f32::NAN, f32::INFINITY] {
            let mut x = array(&[2, 3]);
            x.data[4] = value;
            let error = samples(&x, "x", &[1, 3]).unwrap_err().to_string();
            assert!(error.contains(&value.to_string()) && error.contains("index 4"), "{error}");
        }
    }
}
