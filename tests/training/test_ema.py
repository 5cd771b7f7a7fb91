import torch
from torch import nn

from cargosight_training.trainer.ema import WeightAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_the_average_follows_its_formula() -> None:
    model = network()
    average = WeightAverage(model, decay=0.4)
    expected = model[0].weight.detach().clone()
    for step in range(1, 12):
        with torch.no_grad():
            model[0].weight += 1.0
        average.update(model)
        d = min(0.4, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * model[0].weight.detach()
    assert torch.allclose(average.state["0.weight"], expected, atol=1e-6)


def test_a_short_run_averages_over_its_end_and_forgets_its_start() -> None:
    model = network()
    average = WeightAverage(model, decay=0.9999)
    for step in range(1, 301):
        with torch.no_grad():
            model[0].bias.fill_(float(step))
        average.update(model)
    behind = 300 - average.state["0.bias"]
    assert (behind > 300 / 12).all() and (behind < 300 / 8).all()


def test_weights_that_do_not_change_stay_to_the_bit() -> None:
    model = network()
    average = WeightAverage(model, decay=0.999)
    before = {k: v.clone() for k, v in average.state.items()}
    for _ in range(20):
        average.update(model)
    assert all(torch.equal(before[k], v) for k, v in average.state.items())


def test_norm_statistics_are_averaged_and_counters_copied() -> None:
    model = network()
    average = WeightAverage(model, decay=0.5)
    model(torch.randn(8, 3) + 4.0)
    average.update(model)
    assert int(average.state["1.num_batches_tracked"]) == 1
    assert not torch.equal(average.state["1.running_mean"], model[1].running_mean)
    assert average.state["1.running_mean"].any()


def test_the_average_is_a_copy() -> None:
    model = network()
    average = WeightAverage(model)
    with torch.no_grad():
        model[0].weight.zero_()
    assert average.state["0.weight"].any()


def test_it_takes_up_where_it_stopped() -> None:
    model = network()
    first = WeightAverage(model, decay=0.9)

    def step() -> None:
        with torch.no_grad():
            model[0].weight += 0.5

    for _ in range(3):
        step()
        first.update(model)
    saved = {
        "steps": first.steps,
        "state": {k: v.clone() for k, v in first.state.items()},
    }
    second = WeightAverage(network(), decay=0.9)
    second.load_state_dict(saved)
    step()
    first.update(model)
    second.update(model)
    assert all(torch.equal(first.state[k], second.state[k]) for k in first.state)
